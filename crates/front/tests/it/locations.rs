//! An app with several locations: each has a socket of the runtime of its own.

use selvedge_front::Settings;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::read_answer;
use crate::setup::{Door, Stand, answer, read_head};

/// Sends a request to `client` and answers it at `stand`. Returns the head that the runtime got and the answer's.
async fn ask(mut client: TcpStream, headers: &str, stand: &Stand) -> (String, String) {
    client.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
    let mut runtime = stand.accept().await;
    let seen = read_head(&mut runtime).await;
    answer(&mut runtime, "ok").await;
    (seen, read_answer(&mut client).await.0)
}

#[tokio::test]
async fn a_request_goes_to_its_location_and_is_told_where_it_is() {
    let (ams, nrt) = (Stand::new(), Stand::new());
    let (door, port) = Door::with_port(Settings::default(), None, Some("NRT")).await;
    door.upstream.set_locations(&["AMS".to_owned(), "NRT".to_owned()]);
    door.upstream.serve_at(ams.socket.clone(), [("NRT".to_owned(), nrt.socket.clone())]);
    let port = async || TcpStream::connect(port.unwrap()).await.unwrap();
    let requests = [
        (door.connect().await, "", &ams, "AMS"),
        (door.connect().await, "CF-Colo: nrt\r\n", &nrt, "NRT"),
        (port().await, "", &nrt, "NRT"),
        (port().await, "CF-Colo: AMS\r\n", &ams, "AMS"),
    ];
    for (client, headers, stand, colo) in requests {
        let (seen, answered) = ask(client, headers, stand).await;
        assert!(seen.contains(&format!("\"colo\":\"{colo}\"")), "{seen}");
        assert!(!seen.to_ascii_lowercase().contains("cf-colo"), "{seen}");
        assert!(answered.contains(&format!("-{colo}\r\n")), "the ray: {answered}");
    }
}

#[tokio::test]
async fn a_location_that_does_not_exist_is_refused() {
    let stand = Stand::new();
    let door = Door::open(Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let (seen, _) = ask(door.connect().await, "CF-Colo: XYZ\r\n", &stand).await;
    assert!(seen.contains("cf-colo: XYZ") && seen.contains("\"colo\":\"DEV\""), "no locations: {seen}");
    door.upstream.set_locations(&["AMS".to_owned(), "NRT".to_owned()]);
    let mut client = door.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nCF-Colo: XYZ\r\n\r\n").await.unwrap();
    let (head, text) = read_answer(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 400 ") && text.contains("AMS, NRT"), "{head}{text}");
}
