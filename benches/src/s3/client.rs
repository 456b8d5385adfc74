//! A connection that sends requests to an endpoint and reads their answers.

use std::net::SocketAddr;
use std::sync::LazyLock;

use anyhow::{Result, bail, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::request::{Body, Credentials, Request};
use crate::load::{self, Head};

/// Where requests go, and who signs them.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// `None`: they are not signed.
    pub(crate) credentials: Option<Credentials>,
}

pub(crate) struct Client<'a> {
    endpoint: &'a Endpoint,
    connection: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// A MiB that does not compress.
static NOISE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..1 << 17).flat_map(|n| crate::workload::spread(n).to_le_bytes()).collect());

impl<'a> Client<'a> {
    pub(crate) fn new(endpoint: &'a Endpoint) -> Self {
        Self { endpoint, connection: None, buffer: Vec::with_capacity(256 * 1024) }
    }

    /// Sends a request and drops the answer's body. Whether it was a good one.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<bool> {
        Ok(self.exchange(request, &mut |_| ()).await?.status / 100 == 2)
    }

    /// Sends a request that must succeed, and answers with the answer's head and the first KB of its body.
    pub(crate) async fn fetch(&mut self, request: &Request) -> Result<(Head, String)> {
        let mut body = Vec::new();
        let mut keep = |bytes: &[u8]| body.extend(bytes.iter().take(1024_usize.saturating_sub(body.len())));
        let head = self.exchange(request, &mut keep).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        ensure!(head.status / 100 == 2, "{request:?} answered {}: {body}", head.status);
        Ok((head, body))
    }

    async fn exchange(&mut self, request: &Request, see: &mut impl FnMut(&[u8])) -> Result<Head> {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => load::connect(self.endpoint.address).await?,
        };
        if let Err(error) = self.send(&mut stream, request).await {
            // Who refuses a body says why before he closes.
            let head = load::answer(&mut stream, &mut self.buffer, see).await;
            return head.map_err(|_| error.context("the connection broke off"));
        }
        let head = load::answer(&mut stream, &mut self.buffer, see).await?;
        if head.keep_alive {
            self.connection = Some(stream);
        }
        Ok(head)
    }
    async fn send(&self, stream: &mut TcpStream, request: &Request) -> Result<()> {
        stream.write_all(request.head(self.endpoint.credentials.as_ref())?.as_bytes()).await?;
        match &request.body {
            Body::Bytes(bytes) => stream.write_all(bytes).await?,
            Body::Noise(size) => {
                let mut left = *size;
                while left > 0 {
                    let now = usize::try_from(left)?.min(NOISE.len());
                    stream.write_all(&NOISE[..now]).await?;
                    left -= now as u64;
                }
            }
        }
        Ok(())
    }
}

/// What stands between `<name>` and `</name>`.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Result<&'a str> {
    let inside = xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    match inside {
        Some((inside, _)) => Ok(inside),
        None => bail!("no {name} in {xml}"),
    }
}
