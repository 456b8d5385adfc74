use std::sync::{Arc, Mutex, Weak};

use selvedge_databases::Cluster;

use super::Wire;
use super::certificates::Certificates;

/// A PostgreSQL server. Its superuser is `postgres`, whom it trusts.
pub(crate) struct Postgres {
    server: selvedge_databases::Postgres,
    pub(crate) port: u16,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server that tests share while one of them runs; `None` when PostgreSQL is not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::own()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server that no other test uses.
    pub(crate) fn own() -> Option<Self> {
        let cluster = Cluster::create("postgres", false).unwrap()?;
        add_roles(&cluster);
        let server = cluster.start(&["max_connections=120", "max_prepared_transactions=5"]).unwrap();
        let server = Self { port: server.port, server };
        server.create_roles();
        Some(server)
    }

    fn create_roles(&self) {
        let mut session = self.connect("postgres");
        session.column("CREATE ROLE scram LOGIN PASSWORD 'secret'");
        session.column("CREATE ROLE plain LOGIN PASSWORD 'secret'");
        session.column("CREATE ROLE tls LOGIN PASSWORD 'secret'");
        session.column("CREATE ROLE certified LOGIN");
        session.column(
            "BEGIN; SET LOCAL password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'secret'; COMMIT",
        );
    }

    /// A file beside the data: `ca.crt`, `other-ca.crt`, `client.crt` or `client.key`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.server.cluster().directory().join(name).to_str().unwrap().to_owned()
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }

    pub(crate) fn start_again(&self) {
        self.server.start_again().unwrap();
    }

    /// A new session of the superuser.
    pub(crate) fn connect(&self, database: &str) -> Wire {
        Wire::connect(self.port, "postgres", database)
    }
}

/// Lets in, beside whom everybody trusts: `scram`, `md5` and `plain` with the password `secret`, and over TLS
/// `tls` with the same password and `certified` with a certificate.
fn add_roles(cluster: &Cluster) {
    let data = cluster.data();
    Certificates::make().write(cluster.directory(), &data, cluster.user());
    let access = data.join("pg_hba.conf");
    let everybody = std::fs::read_to_string(&access).unwrap();
    let roles = "host all scram 127.0.0.1/32 scram-sha-256\nhost all md5 127.0.0.1/32 md5\n\
                 host all plain 127.0.0.1/32 password\nhostssl all tls 127.0.0.1/32 scram-sha-256\n\
                 hostnossl all tls 127.0.0.1/32 reject\nhostssl all certified 127.0.0.1/32 cert\n\
                 hostnossl all certified 127.0.0.1/32 reject\n";
    std::fs::write(&access, format!("{roles}{everybody}")).unwrap();
    let settings = data.join("postgresql.conf");
    let mut text = std::fs::read_to_string(&settings).unwrap();
    text.push_str("\nssl = on\nssl_ca_file = 'ca.crt'\n");
    std::fs::write(&settings, text).unwrap();
}
