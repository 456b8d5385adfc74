use std::io::Write as _;
use std::time::Duration;

use selvedge_hyperdrive::postgres::ClientAuth;

use crate::support::pooler::{origin, wait_until};
use crate::support::{Pooler, Postgres, Wire, message};

const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSSENC_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
const ME: [&str; 4] = ["user", "someone", "database", "mine"];

#[test]
fn a_driver_logs_in_with_the_credentials_made_for_it_and_no_others() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "scram", ""), |wishes| wishes.auth = ClientAuth::ScramSha256);
    let log_in = |user: &str, password: &str, database: &str| {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(pooler.port).user(user).password(password).dbname(database);
        pooler.block_on(async {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client.query_one("SELECT current_user", &[]).await.map(|row| row.get::<_, String>(0))
        })
    };
    assert_eq!(log_in("someone", "their own", "mine").unwrap(), "scram");
    let code =
        |result: Result<String, tokio_postgres::Error>| result.unwrap_err().code().unwrap().code().to_owned();
    assert_eq!(code(log_in("someone", "secret", "mine")), "28P01", "the origin's password is not ours");
    assert_eq!(code(log_in("scram", "their own", "mine")), "28P01");
    assert_eq!(code(log_in("someone", "their own", "postgres")), "3D000");
    assert_eq!(pooler.count(|c| &c.clients_refused), 3);
}

#[test]
fn a_password_may_be_shown_as_it_is() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| wishes.auth = ClientAuth::Cleartext);
    let log_in = |password: &[u8]| {
        let mut wire = Wire::open(pooler.port);
        wire.raw(b"\0\0\0\x24\0\x03\0\0user\0someone\0database\0mine\0\0");
        assert_eq!(wire.read_one().unwrap(), (b'R', vec![0, 0, 0, 3]));
        wire.send(b'p', password);
        wire.read()
    };
    assert_eq!(log_in(b"their own\0").status, 'I');
    assert_eq!(log_in(b"their owm\0").code(), "28P01");
    assert_eq!(log_in(b"\0").code(), "28P01");
    assert_eq!(log_in(b"no end").code(), "28P01");
}

#[test]
fn encryption_that_is_not_offered_is_declined_and_the_client_goes_on() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = Wire::open(pooler.port);
    for request in [GSSENC_REQUEST, SSL_REQUEST] {
        wire.raw(request);
        let mut answer = [0];
        wire.read_raw(&mut answer);
        assert_eq!(&answer, b"N");
    }
    wire.raw(b"\0\0\0\x24\0\x03\0\0user\0someone\0database\0mine\0\0");
    assert_eq!(wire.read().status, 'I');
    assert_eq!(wire.column("SELECT 1"), ["1"]);
}

#[test]
fn later_versions_are_negotiated_down_and_have_longer_keys() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (wire, reply) = Wire::start(pooler.port, 3 << 16, &ME);
    assert!(!reply.kinds.contains('v'));
    assert_eq!(wire.key.len(), 8);
    let (wire, reply) = Wire::start(pooler.port, 3 << 16 | 2, &ME);
    assert!(!reply.kinds.contains('v'));
    assert_eq!(wire.key.len(), 36);
    let (_, reply) = Wire::start(pooler.port, 3 << 16 | 7, &[&ME[..], &["_pq_.new", "on"]].concat());
    assert!(reply.kinds.starts_with("vR"), "{}", reply.kinds);
    assert!(reply.bytes.starts_with(&message(b'v', b"\0\x03\0\x02\0\0\0\x01_pq_.new\0")));
    let (_, reply) = Wire::start(pooler.port, 3 << 16, &[&ME[..], &["replication", "database"]].concat());
    assert_eq!(reply.code(), "0A000");
}

#[test]
fn bad_beginnings_end_in_the_right_error() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let answer = |bytes: &[u8]| {
        let mut wire = Wire::open(pooler.port);
        wire.raw(bytes);
        wire.rest()
    };
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\xff\xff\xff\xff\0\x03\0\0",
        b"\0\0\0\x04",
        b"\0\0\0\x08\0\x03\0\0",
        b"\0\0\0\x0d\0\x03\0\0user\0",
        b"\0\0\0\x09\0\x03\0\0\0",
    ] {
        let answer = answer(garbage);
        assert_eq!(answer.first(), Some(&b'E'), "{garbage:?}");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.contains("C08P01") || text.contains("C28000"), "{text}");
    }
    let old = answer(b"\0\0\x01\x28\0\x02\0\0garbage that fills what version 2 had in its place");
    let _ = old;
    let body = [&[0, 0, 1, 40, 0, 2, 0, 0][..], &[0; 288]].concat();
    let text = String::from_utf8(answer(&body)).unwrap();
    assert_eq!(text, "Eunsupported frontend protocol 2.0: server supports 3.0 to 3.2\0");
    assert_eq!(pooler.connect().column("SELECT 1"), ["1"]);
}

#[test]
fn messages_that_cannot_be_end_the_connection_and_spare_the_next() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    for bytes in [
        &b"Q\0\0\0\x03"[..],
        b"Q\xff\xff\xff\xff",
        b"Q\x7f\xff\xff\xffSELECT",
        b"y\0\0\0\x04",
        b"D\0\0\0\x06x\0",
        b"D\0\x10\0\0Sabc",
        b"B\0\0\0\x06xx",
        b"P\0\0\0\x06xx",
        b"p\0\0\0\x08abc\0",
    ] {
        let mut wire = pooler.connect();
        wire.raw(bytes);
        let reply = wire.read();
        assert_eq!((reply.code(), reply.status), ("08P01", 'X'), "{bytes:?}");
        assert_eq!(pooler.connect().column("SELECT 1"), ["1"]);
    }
    // A body that is shorter than its fields say is the server's to refuse.
    let mut wire = pooler.connect();
    wire.raw(&[message(b'B', b"\0\0\0\x05"), message(b'S', b"")].concat());
    assert_eq!(wire.read().code(), "26000");
}

#[test]
fn a_client_that_says_nothing_is_not_waited_for() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.config.login_timeout = Duration::from_millis(200);
        wishes.auth = ClientAuth::ScramSha256;
        wishes.config.max_clients = 2;
    });
    let mut silent = Wire::open(pooler.port);
    let mut half = Wire::open(pooler.port);
    half.raw(b"\0\0\0\x24\0\x03\0\0user\0some");
    assert_eq!(silent.rest(), b"");
    assert_eq!(half.rest(), b"");
    let mut unauthenticated = Wire::open(pooler.port);
    unauthenticated.raw(b"\0\0\0\x24\0\x03\0\0user\0someone\0database\0mine\0\0");
    assert!(unauthenticated.rest().starts_with(b"R"));
}

#[test]
fn a_client_that_logs_in_byte_by_byte_is_not_waited_for_either() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.config.login_timeout = Duration::from_millis(200);
    });
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", pooler.port)).unwrap();
    // A packet of ten thousand bytes, which would take minutes.
    let packet = [b"\0\0\x27\x10\0\x03\0\0".as_slice(), &[b'x'; 9_992]].concat();
    let sent = packet.chunks(1).take_while(|byte| {
        std::thread::sleep(Duration::from_millis(20));
        slow.write_all(byte).is_ok()
    });
    assert!(sent.count() < packet.len(), "it was waited for");
}

#[test]
fn one_client_more_than_allowed_is_turned_away() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| wishes.config.max_clients = 2);
    let (mut one, two) = (pooler.connect(), pooler.connect());
    let (_, reply) = Wire::start(pooler.port, 3 << 16, &ME);
    assert_eq!(reply.status, 'X');
    drop(two);
    wait_until(|| Wire::start(pooler.port, 3 << 16, &ME).1.status == 'I');
    assert_eq!(one.column("SELECT 1"), ["1"]);
}
