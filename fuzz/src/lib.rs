//! What the targets share: an endpoint in memory, a signer that shares no code with the one that checks, and
//! Hyperdrive's poolers between clients and databases that lie.

pub mod hyperdrive;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use selvedge_base::{Clock as _, ManualClock, Millis};
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER, serve_stream};
use selvedge_catalog::{AccessKey, Catalog, Permission};
use selvedge_r2::{Limits, Store};
use selvedge_s3::{Endpoint, Settings};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Runtime;

pub const ID: &str = "fuzzing-key";
pub const SECRET: &str = "fuzzing-secret-of-some-length";
/// The only time there is.
pub const DATE: &str = "20261122T071800Z";
const AT: Millis = Millis(1_795_331_880_000);
const TOKEN: &str = "token";
const PATIENCE: Duration = Duration::from_millis(20);

/// Buckets in memory, where the machine has a file system there, and both protocols on them.
pub struct Server {
    runtime: Runtime,
    endpoint: Endpoint,
    registry: Arc<Registry>,
    _directory: TempDir,
}

impl Server {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let directory = tempfile::tempdir_in(memory()).unwrap();
        let (endpoint, registry) = runtime.block_on(async {
            let clock = ManualClock::at(AT);
            let catalog = Catalog::open(directory.path()).unwrap();
            let key = AccessKey {
                id: ID.to_owned(),
                secret: SECRET.to_owned(),
                name: "fuzz".to_owned(),
                permission: Permission::AdminReadWrite,
                buckets: None,
                created: clock.now(),
            };
            catalog.access_keys().insert(key).await.unwrap();
            let store = Store::open(&directory.path().join("r2"), clock.clone(), Limits::default()).unwrap();
            let bucket = store.bucket("bkt").await.unwrap();
            let registry = Registry::new(TOKEN.to_owned());
            registry.insert("r2".to_owned(), Resource::R2(bucket));
            let settings = Settings::at("127.0.0.1:0".parse().unwrap());
            let endpoint = Endpoint::bind(settings, store, catalog, clock).await.unwrap();
            (endpoint, Arc::new(registry))
        });
        Self { runtime, endpoint, registry, _directory: directory }
    }

    /// The endpoint's answers to these bytes, and nothing after them.
    pub fn s3(&self, bytes: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            tokio::select! {
                answer = exchange(ours, bytes) => answer,
                () = never_after(self.endpoint.serve_stream(theirs)) => Vec::new(),
            }
        })
    }

    /// The R2 binding's answer to a request with these headers and this body.
    pub fn r2(&self, method: &str, headers: &[u8], body: &[u8]) -> Vec<u8> {
        let mut bytes = format!(
            "{method} / HTTP/1.1\r\nhost: r2\r\n{TOKEN_HEADER}: {TOKEN}\r\n{RESOURCE_HEADER}: r2\r\n\
             connection: close\r\ncontent-length: {}\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(headers);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let registry = Arc::clone(&self.registry);
            tokio::select! {
                answer = exchange(ours, &bytes) => answer,
                () = never_after(serve_stream(theirs, registry)) => Vec::new(),
            }
        })
    }
}

/// Where files are in memory, if the machine has such a place.
fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// The client says when it is over.
async fn never_after(serving: impl Future<Output = ()>) {
    serving.await;
    std::future::pending().await
}

async fn exchange(stream: impl AsyncRead + AsyncWrite, bytes: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut answer = Vec::new();
    let both = async {
        let _ = tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer));
    };
    // Who waits for more than there is waits in vain; a client that hangs up would not be answered at all.
    let _ = tokio::time::timeout(PATIENCE, both).await;
    answer
}

/// An answer that says that we failed, not the one who asked.
pub fn is_failure(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 500")
}

pub fn encoded(bytes: &[u8], slash: bool) -> String {
    let mut out = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A request as it is signed: path and pairs are encoded, header names in lower case.
pub struct Request<'r> {
    pub method: &'r str,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: &'r [u8],
}

impl Request<'_> {
    /// The request on the wire, signed in its headers or, when `in_query`, in its query.
    pub fn signed(mut self, in_query: bool) -> Vec<u8> {
        let scope = format!("{}/auto/s3/aws4_request", &DATE[..8]);
        let payload =
            if in_query { "UNSIGNED-PAYLOAD".to_owned() } else { hex::encode(Sha256::digest(self.body)) };
        self.headers.push(("host".to_owned(), "fuzz".to_owned()));
        if !in_query {
            self.headers.push(("x-amz-date".to_owned(), DATE.to_owned()));
            self.headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
        }
        self.headers.sort();
        self.headers.dedup_by(|a, b| a.0 == b.0);
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        if in_query {
            let pairs = [
                ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
                ("X-Amz-Credential", encoded(format!("{ID}/{scope}").as_bytes(), false)),
                ("X-Amz-Date", DATE.to_owned()),
                ("X-Amz-Expires", "60".to_owned()),
                ("X-Amz-SignedHeaders", encoded(names.as_bytes(), false)),
            ];
            self.query.extend(pairs.map(|(name, value)| (name.to_owned(), value)));
        }
        let sent: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.query.sort();
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", collapsed(value))).collect();
        let canonical =
            format!("{}\n{}\n{}\n{headers}\n{names}\n{payload}", self.method, self.path, query.join("&"));
        let text = format!("AWS4-HMAC-SHA256\n{DATE}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let day = hmac(format!("AWS4{SECRET}").as_bytes(), &DATE[..8]);
        let key = hmac(&hmac(&hmac(&day, "auto"), "s3"), "aws4_request");
        let signature = hex::encode(hmac(&key, &text));
        let mut target = self.path.clone();
        if !sent.is_empty() {
            let _ = write!(target, "?{}", sent.join("&"));
        }
        if in_query {
            let _ = write!(target, "&X-Amz-Signature={signature}");
        } else {
            self.headers.push((
                "authorization".to_owned(),
                format!(
                    "AWS4-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders={names}, Signature={signature}"
                ),
            ));
        }
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "content-length: {}\r\nconnection: close\r\n\r\n", self.body.len());
        [head.as_bytes(), self.body].concat()
    }
}

/// As the signature's definition has values of headers: no spaces around, and one where there are several.
fn collapsed(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
