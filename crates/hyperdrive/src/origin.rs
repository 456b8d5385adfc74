use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::net::{TlsMode, TlsSettings};

/// The database behind a Hyperdrive configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    /// `postgres`, `postgresql` or `mysql`.
    pub scheme: String,
    pub host: String,
    pub port: u16,
    /// Percent-encoded as it was given: workerd puts it into `connectionString` as it is, and that is where
    /// drivers read it.
    pub user: String,
    /// Percent-encoded as it was given.
    pub password: String,
    /// Percent-encoded as it was given.
    pub database: String,
    /// `sslmode` or `ssl-mode`, `sslrootcert`, `sslcert` and `sslkey` of the connection string.
    pub tls: TlsSettings,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:…@{}:{}/{}", self.scheme, self.user, self.host, self.port, self.database)
    }
}

/// Why a connection string does not name a database. Never shows the string: it holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error(
        "the connection string is not a URL ({0}); special characters in a password must be percent-encoded"
    )]
    NotAUrl(url::ParseError),
    #[error("the scheme {0:?} is not supported: use postgres://, postgresql:// or mysql://")]
    Scheme(String),
    #[error("the connection string has no {0}: it must read scheme://user:password@host:port/database")]
    Missing(&'static str),
    #[error("{0:?} is no sslmode: use disable, prefer, require, verify-ca or verify-full")]
    TlsMode(String),
}

impl Origin {
    pub fn parse(connection_string: &str) -> Result<Self, OriginError> {
        let url = Url::parse(connection_string).map_err(OriginError::NotAUrl)?;
        let default_port = match url.scheme() {
            "postgres" | "postgresql" => 5432,
            "mysql" => 3306,
            other => return Err(OriginError::Scheme(other.to_owned())),
        };
        let mut socket = None;
        let mut tls = TlsSettings::default();
        for (name, value) in url.query_pairs() {
            match &*name {
                "host" if value.starts_with('/') => socket = Some(value.into_owned()),
                "sslmode" | "ssl-mode" => {
                    tls.mode =
                        TlsMode::parse(&value).ok_or_else(|| OriginError::TlsMode(value.into_owned()))?;
                }
                // "system" is libpq's word for what is done without a file.
                "sslrootcert" if value == "system" => {}
                "sslrootcert" => tls.root_certificates = Some(value.into_owned().into()),
                "sslcert" => tls.certificate = Some(value.into_owned().into()),
                "sslkey" => tls.key = Some(value.into_owned().into()),
                _ => {}
            }
        }
        let host = url.host_str().filter(|h| !h.is_empty()).map(|h| h.trim_matches(['[', ']']).to_owned());
        let host = socket.or(host).ok_or(OriginError::Missing("host"))?;
        let user = Some(url.username()).filter(|u| !u.is_empty()).ok_or(OriginError::Missing("user"))?;
        let database = url.path().trim_start_matches('/');
        if database.is_empty() {
            return Err(OriginError::Missing("database"));
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host,
            port: url.port().unwrap_or(default_port),
            user: user.to_owned(),
            password: url.password().unwrap_or_default().to_owned(),
            database: database.to_owned(),
            tls,
        })
    }

    /// The user's name itself.
    pub fn user_name(&self) -> Cow<'_, [u8]> {
        percent_decode_str(&self.user).into()
    }

    /// The password itself.
    pub fn password_bytes(&self) -> Cow<'_, [u8]> {
        percent_decode_str(&self.password).into()
    }

    /// The database's name itself.
    pub fn database_name(&self) -> Cow<'_, [u8]> {
        percent_decode_str(&self.database).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_taken_apart_and_its_password_stays_out_of_sight() {
        let origin = Origin::parse("postgres://me:p%40ss@[::1]/shop?sslmode=disable").unwrap();
        assert_eq!((origin.host.as_str(), origin.port), ("::1", 5432));
        assert_eq!((origin.password.as_str(), origin.database.as_str()), ("p%40ss", "shop"));
        assert!(!format!("{origin:?}").contains("p%40ss"));
        assert_eq!(Origin::parse("mysql://me@db/shop").unwrap().port, 3306);
    }

    #[test]
    fn what_libpq_reads_from_a_connection_string_is_read() {
        let origin = Origin::parse(
            "postgres://me%40x:p%40ss@localhost/shop%20s?host=/run/pg&sslmode=verify-full&sslrootcert=/ca.pem",
        )
        .unwrap();
        assert_eq!((origin.host.as_str(), origin.tls.mode), ("/run/pg", TlsMode::VerifyFull));
        assert_eq!(origin.tls.root_certificates, Some("/ca.pem".into()));
        assert_eq!((&*origin.user_name(), &*origin.password_bytes()), (&b"me@x"[..], &b"p@ss"[..]));
        assert_eq!(&*origin.database_name(), b"shop s");
        let error = Origin::parse("postgres://me@db/shop?sslmode=yes");
        assert_eq!(error, Err(OriginError::TlsMode("yes".to_owned())));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Origin::parse("postgres://me:x@db"), Err(OriginError::Missing("database")));
        assert_eq!(Origin::parse("postgres://db/shop"), Err(OriginError::Missing("user")));
        assert_eq!(Origin::parse("redis://me@db/0"), Err(OriginError::Scheme("redis".to_owned())));
        assert!(matches!(Origin::parse("shop"), Err(OriginError::NotAUrl(_))));
    }
}
