//! The load generator: raw HTTP/1.1 over keep-alive connections, one request in flight on each.
//!
//! It shares the machine with what it measures, so it does as little as it can: fixed request bytes, no
//! header map, bodies counted and dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Makes the bytes of the `n`-th request of a run.
pub(crate) type Request = dyn Fn(u64) -> Vec<u8> + Send + Sync;

#[derive(Debug)]
pub(crate) struct Outcome {
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Answers that were not 2xx, and connections that broke.
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.latency.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends requests on `connections` connections to `address` for `time`.
pub(crate) async fn run(
    address: SocketAddr,
    connections: usize,
    time: Duration,
    request: Arc<Request>,
) -> Result<Outcome> {
    run_on(connections, time, request, move || connect(address)).await
}

/// As [`run`], on connections that `connect` makes.
pub(crate) async fn run_on<S, F>(
    connections: usize,
    time: Duration,
    request: Arc<Request>,
    connect: impl Fn() -> F + Clone + Send + 'static,
) -> Result<Outcome>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
    F: Future<Output = Result<S>> + Send,
{
    let start = Instant::now();
    let until = start + time;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..connections as u64 {
        let (request, connect) = (Arc::clone(&request), connect.clone());
        clients.spawn(async move { one_client(connect, client, until, &*request).await });
    }
    let mut latency = Histogram::new(3)?;
    let mut errors = 0;
    while let Some(client) = clients.join_next().await {
        let (seen, failed) = client.context("a client panicked")??;
        latency.add(seen)?;
        errors += failed;
    }
    Ok(Outcome { latency, errors, elapsed: start.elapsed() })
}

async fn one_client<S, F>(
    connect: impl Fn() -> F,
    client: u64,
    until: Instant,
    request: &Request,
) -> Result<(Histogram<u64>, u64)>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Result<S>>,
{
    let mut latency = Histogram::new(3)?;
    let mut errors = 0;
    let mut connection = None;
    let mut buffer = Vec::with_capacity(64 * 1024);
    for n in 0.. {
        let bytes = request(client << 32 | n);
        let begun = Instant::now();
        if begun >= until {
            break;
        }
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => connect().await?,
        };
        match exchange(&mut stream, &bytes, &mut buffer).await {
            Ok((status, keep)) => {
                latency.record(u64::try_from(begun.elapsed().as_micros())?.max(1))?;
                errors += u64::from(!(200..300).contains(&status));
                connection = keep.then_some(stream);
            }
            Err(_) => errors += 1,
        }
    }
    Ok((latency, errors))
}

pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request and its whole answer: the status, and whether the connection can be used again.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(u16, bool)> {
    stream.write_all(request).await?;
    let head = answer(stream, buffer, &mut |_| ()).await?;
    Ok((head.status, head.keep_alive))
}

/// Reads a whole answer; `see` is handed the bytes of its body, with the frames of a chunked one, as they come.
pub(crate) async fn answer(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    see: &mut impl FnMut(&[u8]),
) -> Result<Head> {
    buffer.clear();
    let head = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break Head::parse(&buffer[..end + 4])?;
        }
        read_some(stream, buffer).await?;
    };
    see(&buffer[head.len..]);
    match head.framing {
        Framing::Length(length) => {
            let mut have = buffer.len() - head.len;
            while have < length {
                buffer.clear();
                have += read_some(stream, buffer).await?;
                see(buffer);
            }
        }
        Framing::Chunked => {
            // The last chunk is empty; the data of these workloads never looks like one.
            while !buffer.ends_with(b"0\r\n\r\n") {
                let keep = buffer.len().saturating_sub(8);
                buffer.drain(..keep);
                let kept = buffer.len();
                read_some(stream, buffer).await?;
                see(&buffer[kept..]);
            }
        }
    }
    Ok(head)
}

async fn read_some<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Result<usize> {
    match stream.read_buf(buffer).await? {
        0 => bail!("the connection was closed"),
        n => Ok(n),
    }
}

pub(crate) struct Head {
    pub(crate) status: u16,
    framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) etag: Option<String>,
    len: usize,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|l| l.get(9..12)).context("no status line")?.parse()?;
        let mut head =
            Self { status, framing: Framing::Length(0), keep_alive: true, etag: None, len: bytes.len() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.framing = Framing::Length(value.parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                head.keep_alive = !value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("etag") {
                head.etag = Some(value.to_owned());
            }
        }
        Ok(head)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answer_with(bytes: &'static [u8]) -> Result<(u16, bool)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 64];
            let _ = stream.read(&mut request).await;
            for piece in bytes.chunks(7) {
                stream.write_all(piece).await.unwrap();
            }
        });
        let mut stream = connect(address).await?;
        exchange(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &mut Vec::new()).await
    }

    #[tokio::test]
    async fn answers_of_both_framings_are_read_to_their_end() {
        let sized = answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world").await.unwrap();
        assert_eq!(sized, (200, true));
        let chunked = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(answer_with(chunked).await.unwrap(), (500, false));
        assert!(answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello").await.is_err());
    }
}
