use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Socket;
use super::verify::{AnyName, Anyone};

/// What is asked of the connection to the origin, in libpq's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    /// TLS if the origin has it, plain text otherwise: safe from nobody who can change what is sent.
    #[default]
    Prefer,
    /// TLS with whoever answers. With root certificates given it is `VerifyCa`, as in libpq.
    Require,
    /// TLS with somebody whose certificate is signed by one of ours.
    VerifyCa,
    /// The same, and the certificate names the host that was asked for.
    VerifyFull,
}

impl TlsMode {
    /// From the values of `sslmode` (Postgres) and `ssl-mode` (MySQL).
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disable" | "disabled" => Self::Disable,
            // `allow` tries plain text first; nobody who names it minds the other order.
            "allow" | "prefer" | "preferred" => Self::Prefer,
            "require" | "required" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" | "verify-identity" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// The mode, and the files in PEM that go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    pub mode: TlsMode,
    /// Certificates of those we trust. Without it `VerifyCa` and `VerifyFull` trust whom the system trusts.
    pub root_certificates: Option<PathBuf>,
    /// Our own certificate, with its chain, and its key.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} cannot be read as PEM: {source}", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    #[error("a client certificate needs its key, and a key its certificate: set both sslcert and sslkey")]
    HalfAnIdentity,
    #[error("this system has no list of trusted certificates; name a file with sslrootcert")]
    NoSystemRoots,
    #[error("TLS: {0}")]
    Config(#[from] rustls::Error),
    #[error("trusted certificates: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    #[error("{host:?} is not a name that a certificate can have")]
    Name { host: String, source: InvalidDnsNameError },
}

/// Turns connections to one origin into TLS connections.
#[derive(Clone)]
pub struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

impl TlsClient {
    /// Reads the files. `None` if the mode wants no TLS.
    pub fn new(settings: &TlsSettings, host: &str) -> Result<Option<Self>, TlsError> {
        if settings.mode == TlsMode::Disable || host.starts_with('/') {
            return Ok(None);
        }
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(VERSIONS)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier(settings, &provider)?);
        let mut config = match (&settings.certificate, &settings.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
            }
            _ => return Err(TlsError::HalfAnIdentity),
        };
        // PostgreSQL has no use for resumption, and a ticket that arrives late looks like a word out of turn.
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|source| TlsError::Name { host: host.to_owned(), source })?;
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(config)), name }))
    }

    /// The TLS handshake on a connection whose other side has agreed to it.
    pub async fn handshake(&self, socket: Socket) -> std::io::Result<Socket> {
        let Socket::Tcp(stream) = socket else { return Ok(socket) };
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        Ok(Socket::Tls(Box::new(stream)))
    }
}

fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let trusts_anyone = match settings.mode {
        TlsMode::Disable | TlsMode::Prefer => true,
        TlsMode::Require => settings.root_certificates.is_none(),
        TlsMode::VerifyCa | TlsMode::VerifyFull => false,
    };
    if trusts_anyone {
        return Ok(Arc::new(Anyone(provider.signature_verification_algorithms)));
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.root_certificates {
        for certificate in certificates(path)? {
            roots.add(certificate)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoSystemRoots);
        }
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?;
    Ok(if settings.mode == TlsMode::VerifyFull { verifier } else { Arc::new(AnyName(verifier)) })
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |source| TlsError::Pem { path: path.clone(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(error)?.collect();
    let found = found.map_err(error)?;
    if found.is_empty() { Err(TlsError::Empty(path.clone())) } else { Ok(found) }
}

fn private_key(path: &PathBuf) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Pem { path: path.clone(), source })
}

/// TLS for our own clients.
#[derive(Clone)]
pub struct TlsServer(TlsAcceptor);

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer")
    }
}

impl TlsServer {
    /// From our certificate, with its chain, and its key, both in PEM.
    pub fn new(certificate: &PathBuf, key: &PathBuf) -> Result<Self, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(VERSIONS)?
            .with_no_client_auth()
            .with_single_cert(certificates(certificate)?, private_key(key)?)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> std::io::Result<tokio_rustls::server::TlsStream<S>> {
        self.0.accept(stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_names_for_the_modes_are_known() {
        assert_eq!(TlsMode::parse("verify-full"), Some(TlsMode::VerifyFull));
        assert_eq!(TlsMode::parse("VERIFY_IDENTITY"), Some(TlsMode::VerifyFull));
        assert_eq!(TlsMode::parse("VERIFY_CA"), Some(TlsMode::VerifyCa));
        assert_eq!(TlsMode::parse("REQUIRED"), Some(TlsMode::Require));
        assert_eq!(TlsMode::parse("yes"), None);
    }

    #[test]
    fn mistakes_in_the_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let mut settings = TlsSettings { mode: TlsMode::VerifyCa, ..TlsSettings::default() };
        settings.root_certificates = Some(path.clone());
        assert!(matches!(TlsClient::new(&settings, "db"), Err(TlsError::Pem { .. })));
        std::fs::write(&path, "nothing").unwrap();
        assert!(matches!(TlsClient::new(&settings, "db"), Err(TlsError::Empty(_))));
        settings = TlsSettings { mode: TlsMode::Require, key: Some(path), ..TlsSettings::default() };
        assert!(matches!(TlsClient::new(&settings, "db"), Err(TlsError::HalfAnIdentity)));
        settings.mode = TlsMode::Disable;
        assert!(TlsClient::new(&settings, "db").unwrap().is_none());
    }
}
