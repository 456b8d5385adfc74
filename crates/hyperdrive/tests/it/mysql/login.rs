use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use selvedge_hyperdrive::mysql::MySqlConfig;

use super::{MariaDb, Wish, eventually};
use crate::support::MySqlWire;

#[test]
fn only_who_knows_the_credentials_gets_in_and_sees_the_origins_version() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).start();
    let client = pooled.connect();
    assert_eq!(client.version, database.direct().version);
    let refused =
        |user: &str, password: &str, name: &str| MySqlWire::connect(pooled.port, user, password, name).err();
    let denied = "Access denied for user 'me'@'hyperdrive' (using password: YES)".to_owned();
    assert_eq!(refused("me", "wrong", "shop"), Some((1045, denied)));
    assert_eq!(refused("me", "", "shop").unwrap().0, 1045);
    assert_eq!(refused("app", "pw", "shop").unwrap().0, 1045, "the origin's own credentials are not ours");
    assert_eq!(refused("me", "secret", "mysql"), Some((1049, "Unknown database 'mysql'".to_owned())));
    assert!(MySqlWire::connect(pooled.port, "me", "secret", "").is_ok(), "the database need not be named");
}

#[test]
fn what_the_origin_refuses_is_told_in_its_words() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database);
    wish.origin = format!("mysql://app:wrong@127.0.0.1:{}/shop", database.port);
    let pooled = wish.start();
    let (code, text) = MySqlWire::connect(pooled.port, "me", "secret", "shop").err().unwrap();
    assert_eq!(code, 1045);
    assert!(text.starts_with("Access denied for user 'app'"), "{text}");

    let mut wish = Wish::to(&database);
    wish.origin = format!("mysql://app:pw@127.0.0.1:{}/none", database.port);
    assert_eq!(MySqlWire::connect(wish.start().port, "me", "secret", "shop").err().unwrap().0, 1049);

    let mut wish = Wish::to(&database);
    wish.origin = "mysql://app:pw@127.0.0.1:1/shop".to_owned();
    wish.pool.acquire_timeout = std::time::Duration::from_secs(3);
    let (code, text) = MySqlWire::connect(wish.start().port, "me", "secret", "shop").err().unwrap();
    assert_eq!((code, text.as_str()), (1105, "Server connection attempt failed: connection_refused"));
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).start();
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".as_slice(),
        b"\xff\xff\xff\x01",
        b"\x01\0\0\x01\0",
        b"\x20\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\0\0\0\x01",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", pooled.port)).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Closed in the middle or told why: but it ends.
        let _ = stream.read_to_end(&mut answer);
    }
    let mut client = pooled.connect();
    client.send(0, b"\x03");
    assert_eq!(client.results(false).error.unwrap().0, 1065, "an empty query is the origin's to refuse");
    client.send(0, b"");
    assert_eq!(client.results(false).error.unwrap().0, 1835);
    client.ok("SELECT 1");
    eventually("nobody is left", || pooled.server.clients() == 1);
}

#[test]
fn a_command_beyond_the_limit_is_refused_and_the_client_let_go() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database);
    wish.config = MySqlConfig { max_packet: 1000, ..MySqlConfig::default() };
    let pooled = wish.start();
    let mut client = pooled.connect();
    client.stream.write_all(&[0xff, 0xff, 0xff, 0, 3]).unwrap();
    assert_eq!(client.results(false).error.unwrap().0, 1153);
    assert_eq!(client.try_packet(), None);
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database);
    wish.config.login_timeout = std::time::Duration::from_millis(200);
    let pooled = wish.start();
    let mut silent = TcpStream::connect(("127.0.0.1", pooled.port)).unwrap();
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).unwrap();
    assert!(!answer.is_empty(), "it was greeted");
    // Nor is one that says something all the time.
    let mut slow = TcpStream::connect(("127.0.0.1", pooled.port)).unwrap();
    let packet = [b"\x10\x27\0\x01".as_slice(), &[0; 10_000]].concat();
    let sent = packet.chunks(1).take_while(|byte| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        slow.write_all(byte).is_ok()
    });
    assert!(sent.count() < packet.len(), "it was waited for");
}

#[test]
fn who_drains_lets_transactions_end_and_nobody_in() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).start();
    let mut client = pooled.connect();
    client.ok("BEGIN");
    client.ok("SELECT 1");
    let left = pooled.runtime.block_on(pooled.server.drain(std::time::Duration::from_millis(100)));
    assert_eq!(left, 1);
    let (code, _) = MySqlWire::connect(pooled.port, "me", "secret", "shop").err().unwrap();
    assert_eq!(code, 1053);
}
