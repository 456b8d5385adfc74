//! Taking the port and letting go of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use selvedge_front::{BindError, Front, RequestLog, Settings, Stopped};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{connection, full, read, read_answer, request};
use crate::setup::{Door, Lines, Stand, answer, read_head};

#[tokio::test]
async fn a_port_in_use_is_named() {
    let door = Door::open(Settings::default()).await;
    let log = Arc::new(Lines::default()) as Arc<dyn RequestLog>;
    let taken = Front::bind(door.address, Settings::default(), None, log).await;
    let Err(error @ BindError::InUse(_)) = taken else { panic!("not in use?") };
    assert!(error.to_string().contains(&format!("port {} on 127.0.0.1", door.address.port())), "{error}");
    let log = Arc::new(Lines::default()) as Arc<dyn RequestLog>;
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
    let taken = Front::bind(elsewhere, Settings::default(), None, log).await;
    assert!(matches!(taken, Err(BindError::NoSuchAddress(_))));
}

#[tokio::test]
async fn a_request_in_progress_finishes_and_nobody_new_is_let_in() {
    let stand = Stand::new();
    let mut door = Door::open(Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut idle = door.connect().await;
    let mut client = door.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    door.ask_to_stop();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "an idle connection is closed");
    assert!(TcpStream::connect(door.address).await.is_err());
    answer(&mut runtime, "done").await;
    let (head, text) = read_answer(&mut client).await;
    assert_eq!(text, "done");
    assert!(head.contains("connection: close\r\n"), "{head}");
    drop(client);
    assert_eq!(door.stopped().await, Stopped { cut: 0 });
}

#[tokio::test]
async fn a_request_that_hangs_is_cut_at_the_deadline() {
    let stand = Stand::new();
    let settings = Settings { drain: Duration::from_millis(50), ..Settings::default() };
    let mut door = Door::open(settings).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut client = door.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    door.ask_to_stop();
    let log = Arc::clone(&door.log);
    assert_eq!(door.stopped().await, Stopped { cut: 1 });
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(runtime.read(&mut [0; 1]).await.unwrap(), 0, "the runtime's side is closed, too");
    assert_eq!(log.lines(1).await, [("GET /".to_owned(), None, 0, false)]);
}

#[tokio::test]
async fn a_request_held_while_stopping_is_not_left_hanging() {
    let settings = Settings { drain: Duration::from_millis(50), ..Settings::default() };
    let mut door = Door::open(settings).await;
    let mut client = connection(&door).await;
    let held = tokio::spawn(async move { client.send_request(request("GET", "/", full(""))).await });
    door.ask_to_stop();
    door.stopped().await;
    match held.await.unwrap() {
        Ok(response) => assert_eq!(read(response).await.0, StatusCode::SERVICE_UNAVAILABLE),
        Err(error) => assert!(!error.is_timeout()),
    }
}
