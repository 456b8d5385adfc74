//! A client that survives whatever happens to its connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::message;

pub(super) struct Client {
    stream: TcpStream,
    /// Who waits longer for an answer hangs.
    patience: Duration,
    /// Number and secret for cancelling.
    pub(super) key: Vec<u8>,
}

/// What was answered up to ReadyForQuery.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Nonce and number of every row.
    pub(super) rows: Vec<(String, String)>,
    pub(super) errors: Vec<String>,
    pub(super) in_transaction: bool,
}

impl Client {
    pub(super) async fn connect(port: u16, patience: Duration) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let texts = b"user\0someone\0database\0mine\0client_encoding\0UTF8\0\0";
        let length = u32::try_from(texts.len() + 8).unwrap_or(0).to_be_bytes();
        stream.write_all(&[&length, &196_608_u32.to_be_bytes(), &texts[..]].concat()).await?;
        let mut client = Self { stream, patience, key: Vec::new() };
        let answer = client.answer().await?;
        if answer.errors.is_empty() { Ok(client) } else { Err(io::Error::other(answer.errors.concat())) }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(self.patience, self.stream.write_all(bytes)).await?
    }

    /// A simple query, without waiting for its answer.
    pub(super) async fn ask(&mut self, sql: &str) -> io::Result<()> {
        self.send(&message(b'Q', &[sql.as_bytes(), b"\0"].concat())).await
    }

    pub(super) async fn query(&mut self, sql: &str) -> io::Result<Answer> {
        self.ask(sql).await?;
        self.answer().await
    }

    /// Part of an answer, whatever it is.
    pub(super) async fn read_some(&mut self, bytes: usize) -> io::Result<()> {
        let mut buffer = vec![0; bytes];
        timeout(self.patience, self.stream.read(&mut buffer)).await??;
        Ok(())
    }

    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let mut head = [0; 5];
            timeout(self.patience, self.stream.read_exact(&mut head)).await??;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let mut body = vec![0; length.saturating_sub(4)];
            timeout(self.patience, self.stream.read_exact(&mut body)).await??;
            match head[0] {
                b'Z' => {
                    answer.in_transaction = body != b"I";
                    return Ok(answer);
                }
                b'K' => self.key = body,
                b'E' => answer.errors.push(code(&body)),
                b'D' => answer.rows.push(two_columns(&body)),
                _ => {}
            }
        }
    }
}

/// Asks a pooler to cancel what the client with this key does.
pub(super) async fn cancel(port: u16, key: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let length = u32::try_from(8 + key.len()).unwrap_or(0).to_be_bytes();
    stream.write_all(&[&length, &80_877_102_u32.to_be_bytes(), key].concat()).await
}

/// The SQLSTATE of an ErrorResponse.
fn code(body: &[u8]) -> String {
    let field = body.split(|&byte| byte == 0).find_map(|field| field.strip_prefix(b"C"));
    String::from_utf8_lossy(field.unwrap_or_default()).into_owned()
}

/// The first two columns of a row. Of long ones the start.
fn two_columns(body: &[u8]) -> (String, String) {
    let mut rest = body.get(2..).unwrap_or_default();
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (value, after) = after.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
        rest = after;
        Some(String::from_utf8_lossy(&value[..value.len().min(100)]).into_owned())
    };
    (next().unwrap_or_default(), next().unwrap_or_default())
}
