use super::{MariaDb, Wish};
use crate::support::MySqlWire;

/// What a client is told of the encryption between the pool and the origin.
fn protocol(database: &MariaDb, host: &str, parameters: &str) -> Result<String, (u16, String)> {
    let mut wish = Wish::to(database);
    wish.origin = format!("mysql://secure:pw@{host}:{}/shop?{parameters}", database.port);
    wish.pool.acquire_timeout = std::time::Duration::from_secs(3);
    let pooled = wish.start();
    let mut client = MySqlWire::connect(pooled.port, "me", "secret", "shop")?;
    let sql =
        "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'";
    Ok(client.value(sql))
}

#[test]
fn tls_to_the_origin_is_as_strict_as_it_is_told_to_be() {
    let Some((database, directory)) = MariaDb::encrypted() else { return };
    let mut admin = MySqlWire::connect(database.port, "root", "", "").unwrap();
    admin.ok("CREATE USER secure@'%' IDENTIFIED BY 'pw' REQUIRE SSL");
    admin.ok("GRANT ALL ON *.* TO secure@'%'");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let encrypted = Ok("TLSv1.3".to_owned());
    for mode in ["require", "verify-ca", "verify-full"] {
        let ours = format!("ssl-mode={mode}&sslrootcert={}", file("ca.crt"));
        assert_eq!(protocol(&database, "localhost", &ours), encrypted, "{mode}");
        let others = format!("ssl-mode={mode}&sslrootcert={}", file("other-ca.crt"));
        let (code, text) = protocol(&database, "localhost", &others).unwrap_err();
        assert_eq!((code, text.as_str()), (1105, "Server connection attempt failed: tls_failed"), "{mode}");
    }
    assert_eq!(protocol(&database, "localhost", "ssl-mode=require"), encrypted, "whoever it is");
    // Under another name only the strictest mode minds.
    let by_address = |mode: &str| format!("ssl-mode={mode}&sslrootcert={}", file("ca.crt"));
    assert_eq!(protocol(&database, "127.0.0.1", &by_address("verify-ca")), encrypted);
    assert_eq!(protocol(&database, "127.0.0.1", &by_address("verify-full")).unwrap_err().0, 1105);
    assert_eq!(protocol(&database, "localhost", "ssl-mode=disable").unwrap_err().0, 1045);
}
