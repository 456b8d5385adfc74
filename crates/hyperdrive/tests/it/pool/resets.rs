//! `RESET` gives a client what it connected with.

use crate::support::pooler::{origin, wait_until};
use crate::support::{Pooler, Postgres, Wire};

const STARTUP: [&str; 6] =
    ["DateStyle", "Postgres, MDY", "TimeZone", "PST8PDT", "options", "-c search_path=mine -c my.own=1"];

/// What a client sees of its settings after each way to undo a change.
fn undone(wire: &mut Wire, undo: &str) -> Vec<String> {
    let change = "SET DateStyle = 'German'; SET TimeZone = 'UTC'; SET search_path = theirs; SET my.own = 2";
    assert_eq!(wire.query(change).error, None);
    assert_eq!(wire.query(undo).error, None, "{undo}");
    ["DateStyle", "TimeZone", "search_path", "my.own"]
        .map(|name| wire.column(&format!("SHOW {name}")).concat())
        .to_vec()
}

const WAYS: [&str; 4] = [
    "RESET DateStyle; RESET TimeZone; RESET search_path; RESET my.own",
    "RESET ALL",
    "SET DateStyle TO DEFAULT; SET TIME ZONE DEFAULT; SET SESSION search_path TO DEFAULT; SET my.own = DEFAULT",
    "DISCARD ALL",
];

#[test]
fn a_session_is_reset_to_what_its_client_connected_with() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::in_session_mode(&server, 1);
    let own = [&["user", "postgres", "database", "postgres"], &STARTUP[..]].concat();
    for way in WAYS {
        let expected = undone(&mut Wire::connect_with(server.port, &own), way);
        assert_eq!(expected, ["Postgres, MDY", "PST8PDT", "mine", "1"], "{way}");
        assert_eq!(undone(&mut pooler.connect_with(&STARTUP), way), expected, "{way}");
        // The next client's connection is another's, which is closed for it: there is one at most.
        let mut plain = pooler.connect();
        assert_eq!(
            plain.column("SET search_path = x; RESET search_path; SHOW search_path"),
            ["\"$user\", public"]
        );
        assert_eq!(plain.column("SHOW DateStyle"), ["ISO, MDY"]);
        assert_eq!(plain.query("SHOW my.own").code(), "42704");
    }
    assert_eq!(pooler.server.pool().status().size(), 1);
}

#[test]
fn a_client_is_given_an_idle_connection_of_its_own_kind() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::in_session_mode(&server, 3);
    let pid = |settings: &[&str]| {
        let pid = pooler.connect_with(settings).column("SELECT pg_backend_pid()").concat();
        pooler.settle();
        pid
    };
    let (one, two) = (pid(&STARTUP), pid(&[]));
    assert_ne!(one, two);
    assert_eq!((pid(&STARTUP), pid(&[])), (one.clone(), two.clone()));
    // A name does not make a kind, nor does the encoding that everybody has.
    assert_eq!(pid(&["application_name", "another", "client_encoding", "utf-8"]), two);
    assert_eq!(pid(&[&STARTUP[..], &["application_name", "x"]].concat()), one);
}

#[test]
fn with_room_in_the_pool_a_reset_is_right_between_transactions_too() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 8);
    let (mut one, mut plain) = (pooler.connect_with(&STARTUP), pooler.connect());
    for way in WAYS {
        one.query("SET DateStyle = 'German'");
        one.query("SET TimeZone = 'UTC'");
        one.query("SET search_path = theirs");
        assert_eq!(plain.column("SHOW DateStyle"), ["ISO, MDY"]);
        one.query(way);
        assert_eq!(plain.column("SHOW search_path"), ["\"$user\", public"]);
        assert_eq!(one.column("SHOW DateStyle"), ["Postgres, MDY"]);
        assert_eq!(one.column("SHOW TimeZone"), ["PST8PDT"]);
        assert_eq!(one.column("SHOW search_path"), ["mine"]);
        // At once, in one transaction.
        assert_eq!(
            one.column(&format!("SET DateStyle = 'German'; {}; SHOW DateStyle", WAYS[0])),
            ["Postgres, MDY"]
        );
    }
}

#[test]
fn in_a_full_pool_a_reset_is_right_from_the_next_transaction_on() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut plain = pooler.connect();
    assert_eq!(plain.column("SELECT 1"), ["1"]);
    let mut one = pooler.connect_with(&STARTUP);
    for way in WAYS {
        one.query("SET DateStyle = 'German'");
        one.query("SET TimeZone = 'UTC'");
        one.query(way);
        assert_eq!(one.column("SHOW DateStyle"), ["Postgres, MDY"], "{way}");
        assert_eq!(one.column("SHOW TimeZone"), ["PST8PDT"], "{way}");
        assert_eq!(one.column("SHOW search_path"), ["mine"], "{way}");
        plain.query("RESET ALL");
        assert_eq!(plain.column("SHOW DateStyle"), ["ISO, MDY"]);
    }
    assert_eq!(pooler.count(|counters| &counters.connections_opened), 1);
}

#[test]
fn connections_may_be_closed_and_not_used_again() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.config.mode = selvedge_hyperdrive::postgres::Mode::Session;
        wishes.config.reset = selvedge_hyperdrive::postgres::Reset::Close;
    });
    let pid = || {
        let mut client = pooler.connect();
        let pid = client.column("SELECT pg_backend_pid()");
        assert_eq!(client.column("SELECT pg_backend_pid()"), pid);
        drop(client);
        pooler.settle();
        pid
    };
    assert_ne!(pid(), pid());
    assert_eq!(pooler.server.pool().status().size(), 0);
}

#[test]
fn a_full_pool_is_shared_by_clients_of_every_kind() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let settings: Vec<_> =
        (0..12).map(|i| [format!("-c search_path=s{i} -c k{}.x=1", i % 3), format!("app{i}")]).collect();
    let mut clients: Vec<_> = settings
        .iter()
        .map(|[options, name]| pooler.connect_with(&["options", options, "application_name", name]))
        .collect();
    for _ in 0..3 {
        for (i, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.column("SHOW search_path"), [format!("s{i}")]);
            assert_eq!(client.column("SHOW application_name"), [format!("app{i}")]);
            assert_eq!(client.column(&format!("SHOW k{}.x", i % 3)), ["1"]);
            let other = client.query(&format!("SELECT current_setting('k{}.x')", (i + 1) % 3));
            assert!(other.error.is_some() || other.rows == [[Some(String::new())]], "{other:?}");
        }
    }
    let opened = pooler.count(|counters| &counters.connections_opened);
    assert!(opened <= 4, "{opened} connections were opened for two places");
}

#[test]
fn settings_that_the_server_refuses_are_told_to_who_asked_and_to_nobody_else() {
    let Some(server) = Postgres::shared() else { return };
    for mode in [Pooler::new, Pooler::in_session_mode] {
        let pooler = mode(&server, 2);
        for (settings, code) in [
            (["TimeZone", "Nowhere"], "22023"),
            (["no_such_setting", "1"], "42704"),
            (["options", "-c shared_buffers=1"], "55P02"),
        ] {
            let direct = [&["user", "postgres", "database", "postgres"], &settings[..]].concat();
            let direct = Wire::start(server.port, 196_608, &direct).1;
            let texts = [&["user", "someone", "database", "mine"], &settings[..]].concat();
            let told = Wire::start(pooler.port, 196_608, &texts).1;
            assert_eq!((told.code(), told.status), (code, 'X'));
            assert_eq!(told.error, direct.error);
            assert_eq!(pooler.connect().column("SELECT 1"), ["1"]);
        }
    }
}

#[test]
fn a_pooler_that_takes_no_settings_at_startup_is_an_origin_too() {
    let Some(server) = Postgres::shared() else { return };
    // Refuses what it does not know, as PgBouncer does.
    let refusing = refusing_pooler(server.port);
    let pooler = Pooler::with(
        &origin(&server, "postgres", "").replace(&server.port.to_string(), &refusing),
        |wishes| {
            wishes.pool.max_connections = 1;
        },
    );
    let mut client = pooler.connect_with(&["options", "-c search_path=mine"]);
    assert_eq!(client.column("SHOW search_path"), ["mine"]);
    assert_eq!(pooler.connect().column("SHOW search_path"), ["\"$user\", public"]);
}

/// Passes on everything but a startup packet with `search_path` in it. Returns its port.
fn refusing_pooler(to: u16) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut length = [0; 4];
            let _ = client.read_exact(&mut length);
            let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
            let _ = client.read_exact(&mut packet);
            if packet.windows(11).any(|bytes| bytes == b"search_path") {
                let fields = b"SFATAL\0C08P01\0Munsupported startup parameter: search_path\0\0";
                let _ = client.write_all(&crate::support::message(b'E', fields));
                continue;
            }
            let mut server = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
            let _ = server.write_all(&[&length[..], &packet].concat());
            let (mut from, mut into) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut into));
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
        }
    });
    port
}

#[test]
fn who_waits_for_a_place_gets_it_whatever_the_kind() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::in_session_mode(&server, 1);
    pooler.connect_with(&STARTUP).column("SELECT 1");
    let mut first = pooler.connect();
    first.column("SELECT 1");
    let mut second = pooler.connect_with(&STARTUP);
    let mut third = pooler.connect();
    second.send(b'Q', b"SHOW search_path\0");
    wait_until(|| pooler.server.pool().status().waiting == 1);
    third.send(b'Q', b"SHOW search_path\0");
    wait_until(|| pooler.server.pool().status().waiting == 2);
    drop(first);
    assert_eq!(second.read().rows, [[Some("mine".to_owned())]], "the first in the queue");
    drop(second);
    assert_eq!(third.read().rows, [[Some("\"$user\", public".to_owned())]]);
}
