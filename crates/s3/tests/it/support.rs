//! An endpoint on a scratch directory, a client that can send anything, and a signer that shares no code with the
//! one that checks.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use selvedge_base::{Clock as _, ManualClock, SystemClock};
use selvedge_catalog::{AccessKey, Catalog, Permission};
use selvedge_r2::{Limits, Store};
use selvedge_s3::{Endpoint, Extras, Settings};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) key: AccessKey,
    directory: TempDir,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default(), Duration::from_mins(1)).await
    }

    pub(crate) async fn start_with(limits: Limits, patience: Duration) -> Self {
        Self::start_as(limits, |settings| settings.patience = patience).await
    }

    pub(crate) async fn start_with_extras(extras: Extras) -> Self {
        Self::start_as(Limits::default(), |settings| settings.extras = extras).await
    }

    async fn start_as(limits: Limits, change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let clock = ManualClock::at(SystemClock.now());
        let catalog = Catalog::open(&data).unwrap();
        let store = Store::open(&data.join("r2"), clock.clone(), limits).unwrap();
        let key = selvedge_s3::first_key(catalog.access_keys(), &*clock).await.unwrap();
        let mut settings = Settings::at("127.0.0.1:0".parse().unwrap());
        change(&mut settings);
        let bound = Endpoint::bind(settings, store.clone(), catalog.clone(), clock.clone()).await;
        let endpoint = bound.unwrap();
        let address = endpoint.local_addr();
        let serving = tokio::spawn(endpoint.serve(std::future::pending()));
        Self { address, clock, store, catalog, key, directory, serving }
    }

    /// The directory around the data directory, in which nothing else may appear.
    pub(crate) fn around(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn make_key(&self, permission: Permission, buckets: Option<&[&str]>) -> AccessKey {
        let key = AccessKey {
            id: format!("key{}", self.catalog.access_keys().list().await.unwrap().len()),
            secret: "a secret of some length".to_owned(),
            name: "test".to_owned(),
            permission,
            buckets: buckets.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            created: self.clock.now(),
        };
        self.catalog.access_keys().insert(key.clone()).await.unwrap();
        key
    }

    /// Sends a request of the first key.
    pub(crate) async fn ask(&self, request: Request) -> Response {
        let signed = request.sign(self, &self.key.clone());
        self.send(&signed).await
    }

    /// As [`Server::ask`], for a request that has to work.
    pub(crate) async fn must(&self, request: Request) -> Response {
        let what = format!("{} {}", request.method, request.target);
        let response = self.ask(request).await;
        assert!(response.status < 300, "{what}: {} {}", response.status, response.text());
        response
    }

    pub(crate) async fn send(&self, request: &Request) -> Response {
        self.send_raw(&request.bytes(), request.method == "HEAD").await
    }

    pub(crate) async fn send_raw(&self, bytes: &[u8], is_head: bool) -> Response {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        // The answer may come before all of it was taken.
        let _ = tcp.write_all(bytes).await;
        read(&mut tcp, is_head).await
    }

    pub(crate) async fn bucket(&self, name: &str) {
        self.must(put(&format!("/{name}"))).await;
    }
}

/// Reads one response.
pub(crate) async fn read(tcp: &mut TcpStream, is_head: bool) -> Response {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        assert!(tcp.read_buf(&mut bytes).await.unwrap() > 0, "the connection closed without an answer");
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = bytes.split_off(end + 4);
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    if !is_head {
        while body.len() < length {
            assert!(tcp.read_buf(&mut body).await.unwrap() > 0, "the body broke off");
        }
    }
    Response { status, headers, body }
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element `name` in the XML.
    pub(crate) fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (text, open) = (self.text(), format!("<{name}>"));
        let found = text.split(&open).skip(1);
        found.map(|rest| unescaped(rest.split("</").next().unwrap_or_default())).collect()
    }

    /// Status and code of a refusal, as `404 NoSuchKey`.
    pub(crate) fn refusal(&self) -> String {
        format!("{} {}", self.status, self.element("Code"))
    }
}

fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, char)| text.replace(entity, char))
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, encoded.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn request(method: &str, target: &str) -> Request {
    Request { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
}

pub(crate) fn get(target: &str) -> Request {
    request("GET", target)
}

pub(crate) fn head(target: &str) -> Request {
    request("HEAD", target)
}

pub(crate) fn put(target: &str) -> Request {
    request("PUT", target)
}

pub(crate) fn post(target: &str) -> Request {
    request("POST", target)
}

pub(crate) fn delete(target: &str) -> Request {
    request("DELETE", target)
}

impl Request {
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(found, _)| found == name)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            head.push_str("host: 127.0.0.1\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.has("content-length") && !self.has("transfer-encoding") {
            let _ = write!(head, "content-length: {}\r\n", self.body.len());
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Signs with a header, as of the server's clock, all headers that there are.
    pub(crate) fn sign(self, server: &Server, key: &AccessKey) -> Self {
        let date = amz_date(server.clock.now().secs());
        self.sign_at(&date, &key.id, &key.secret)
    }

    pub(crate) fn sign_at(mut self, date: &str, id: &str, secret: &str) -> Self {
        if !self.has("host") {
            self = self.header("host", "127.0.0.1");
        }
        if !self.has("x-amz-content-sha256") {
            let hash = hex::encode(Sha256::digest(&self.body));
            self = self.header("x-amz-content-sha256", hash);
        }
        self = self.header("x-amz-date", date);
        let (names, scope) = (self.signed_names(), scope(date));
        let payload = self.value("x-amz-content-sha256").to_owned();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let canonical = self.canonical(path, query, &names, &payload);
        let signature = signature(&canonical, date, secret);
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        self.header("authorization", authorization)
    }

    /// Puts the signature into the query. `date` is that of the signature, `expires` seconds.
    pub(crate) fn presign_at(mut self, date: &str, expires: &str, id: &str, secret: &str) -> Self {
        self = self.header("host", "127.0.0.1");
        let (names, scope) = (self.signed_names(), scope(date));
        let separator = if self.target.contains('?') { '&' } else { '?' };
        let _ = write!(
            self.target,
            "{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={date}\
             &X-Amz-Expires={expires}&X-Amz-SignedHeaders={}",
            encoded(&format!("{id}/{scope}")),
            encoded(&names),
        );
        let (path, query) = self.target.split_once('?').unwrap();
        let canonical = self.canonical(path, query, &names, "UNSIGNED-PAYLOAD");
        let signature = signature(&canonical, date, secret);
        let _ = write!(self.target, "&X-Amz-Signature={signature}");
        self
    }

    pub(crate) fn presign(self, server: &Server, expires: &str) -> Self {
        let date = amz_date(server.clock.now().secs());
        self.presign_at(&date, expires, &server.key.id, &server.key.secret)
    }

    fn value(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    fn signed_names(&self) -> String {
        let mut names: Vec<&str> =
            self.headers.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "expect").collect();
        names.sort_unstable();
        names.join(";")
    }

    fn canonical(&self, path: &str, query: &str, names: &str, payload: &str) -> String {
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        // By name first: `a=` comes before `a%20=`.
        pairs.sort_by(|a, b| a.split_once('=').cmp(&b.split_once('=')));
        let headers: Vec<String> =
            names.split(';').map(|name| format!("{name}:{}\n", collapsed(self.value(name)))).collect();
        format!("{}\n{path}\n{}\n{}\n{names}\n{payload}", self.method, pairs.join("&"), headers.concat())
    }
}

/// `20261122T071800Z`.
pub(crate) fn amz_date(secs: u64) -> String {
    let day = selvedge_base::Millis(secs * 1000).date().replace('-', "");
    let time = secs % 86_400;
    format!("{day}T{:02}{:02}{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

pub(crate) fn scope(date: &str) -> String {
    format!("{}/auto/s3/aws4_request", &date[..8])
}

pub(crate) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The key of a day.
pub(crate) fn signing_key(date: &str, secret: &str) -> Vec<u8> {
    let day = hmac(format!("AWS4{secret}").as_bytes(), &date[..8]);
    hmac(&hmac(&hmac(&day, "auto"), "s3"), "aws4_request")
}

fn signature(canonical: &str, date: &str, secret: &str) -> String {
    let text =
        format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", scope(date), hex::encode(Sha256::digest(canonical)));
    hex::encode(hmac(&signing_key(date, secret), &text))
}

/// A header's value as it is signed: no spaces around it, and one where there are several.
fn collapsed(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A key as a path has it: its slashes stay.
pub(crate) fn key_path(key: &str) -> String {
    encoded(key).replace("%2F", "/")
}

/// As a query has it.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
