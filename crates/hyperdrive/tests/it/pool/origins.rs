use std::time::Duration;

use selvedge_hyperdrive::net::TlsServer;

use crate::support::pooler::origin;
use crate::support::{Pooler, Postgres, Reply, Wire};

/// What a client gets to hear that asks for the user's name and whether the origin's connection is encrypted. Enough
/// time for a busy machine to connect in, as what cannot succeed is tried for as long.
fn ask(server: &Postgres, user: &str, parameters: &str) -> Reply {
    ask_at(&origin(server, user, parameters))
}

fn ask_at(origin: &str) -> Reply {
    let pooler = Pooler::with(origin, |wishes| {
        wishes.pool.max_connections = 1;
        wishes.pool.acquire_timeout = Duration::from_secs(3);
    });
    let (mut wire, reply) = Wire::start(pooler.port, 196_608, &["user", "someone", "database", "mine"]);
    if reply.status == 'X' {
        return reply;
    }
    wire.query("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
}

fn row(user: &str, encrypted: &str) -> Vec<Vec<Option<String>>> {
    vec![vec![Some(user.to_owned()), Some(encrypted.to_owned())]]
}

#[test]
fn every_way_to_log_in_at_an_origin_works() {
    let Some(server) = Postgres::shared() else { return };
    for user in ["scram", "md5", "plain", "postgres"] {
        assert_eq!(ask(&server, user, "sslmode=disable").rows, row(user, "f"));
        assert_eq!(ask(&server, user, "").rows, row(user, "t"), "encrypted, if it can be");
    }
}

#[test]
fn tls_is_as_strict_as_it_is_told_to_be() {
    let Some(server) = Postgres::shared() else { return };
    let (ours, others) = (server.file("ca.crt"), server.file("other-ca.crt"));
    for mode in ["require", "verify-ca", "verify-full"] {
        let parameters = format!("sslmode={mode}&sslrootcert={ours}");
        assert_eq!(ask(&server, "tls", &parameters).rows, row("tls", "t"), "{mode}");
        let parameters = format!("sslmode={mode}&sslrootcert={others}");
        let reply = ask(&server, "tls", &parameters);
        assert_eq!(reply.code(), "58000", "{mode}");
        assert_eq!(reply.error.unwrap().1, "Server connection attempt failed: tls_failed", "{mode}");
    }
    assert_eq!(ask(&server, "tls", "sslmode=require").rows, row("tls", "t"), "whoever it is");
    // Under another name only the strictest mode minds.
    let other_name = |mode: &str| {
        ask_at(
            &origin(&server, "tls", &format!("sslmode={mode}&sslrootcert={ours}"))
                .replace("localhost", "127.0.0.1"),
        )
    };
    assert_eq!(other_name("verify-ca").rows, row("tls", "t"));
    assert_eq!(other_name("verify-full").code(), "58000");
    assert_eq!(ask(&server, "tls", "sslmode=disable").code(), "28000");
}

#[test]
fn a_client_certificate_is_shown_when_there_is_one() {
    let Some(server) = Postgres::shared() else { return };
    let parameters = format!(
        "sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        server.file("ca.crt"),
        server.file("client.crt"),
        server.file("client.key")
    );
    assert_eq!(ask(&server, "certified", &parameters).rows, row("certified", "t"));
    assert_eq!(ask(&server, "certified", "sslmode=require").code(), "28000");
}

#[test]
fn an_origin_that_refuses_is_quoted_and_one_that_cannot_be_reached_is_named() {
    let Some(server) = Postgres::shared() else { return };
    let wrong = origin(&server, "scram", "sslmode=disable").replace("secret", "wrong");
    let reply = ask_at(&wrong);
    assert_eq!(reply.code(), "28P01");
    assert_eq!(reply.error.unwrap().1, "password authentication failed for user \"scram\"");
    let reply = ask_at(&origin(&server, "scram", "").replace("/postgres?", "/nowhere?"));
    assert_eq!(reply.code(), "3D000");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    // It accepts and says nothing, and then nobody is there at all.
    let reply = ask_at(&format!("postgres://a:b@127.0.0.1:{port}/c?sslmode=disable"));
    assert_eq!(reply.code(), "58000");
    drop(nobody);
    let reply = ask_at(&format!("postgres://a:b@127.0.0.1:{port}/c"));
    assert_eq!(reply.error.unwrap().1, "Server connection attempt failed: connection_refused");
    let reply = ask_at("postgres://a:b@no.such.host.invalid/c");
    assert_eq!(reply.error.unwrap().1, "Server connection attempt failed: dns_error");
}

#[test]
fn a_unix_socket_is_an_origin_too() {
    let Some(server) = Postgres::shared() else { return };
    let directory = server.file("");
    let origin = format!("postgres://postgres@localhost:{}/postgres?host={directory}", server.port);
    assert_eq!(ask_at(&origin).rows, row("postgres", "f"));
}

#[test]
fn clients_may_have_tls_too() {
    let Some(server) = Postgres::shared() else { return };
    let tls = TlsServer::new(&server.file("client.crt").into(), &server.file("client.key").into()).unwrap();
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| wishes.config.tls = Some(tls));
    let client = format!("postgres://someone@localhost:{}/mine", pooler.port);
    // The pooler is its own best client: it comes with TLS, and asks for it.
    assert_eq!(ask_at(&format!("{client}?sslmode=require")).rows, row("postgres", "t"));
    assert_eq!(ask_at(&format!("{client}?sslmode=disable")).rows, row("postgres", "t"));
}
