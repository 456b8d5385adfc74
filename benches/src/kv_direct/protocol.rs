//! The two protocols that are driven: KV as workerd speaks it, and Redis's own.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail, ensure};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 on the socket of Selvedge's bindings, with the headers that workerd sends.
    Binding,
    Redis,
}

/// What is asked. Keys are numbers below the size of the key space.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Get(u64),
    /// A value of so many bytes.
    Put(u64, usize),
    /// The first page of a thousand keys, or what comes nearest in Redis, which has no order: `SCAN`.
    List,
}

/// What workerd is configured to send along.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub(crate) const RESOURCE: &str = "kv/bench";

/// The name of a key.
pub(crate) fn key(n: u64) -> String {
    format!("session:{n:012}")
}

impl Protocol {
    /// Writes a request into `out`, after what is there.
    pub(crate) fn write(self, operation: Operation, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Binding => {
                let (method, path) = match operation {
                    Operation::Get(n) => ("GET", format!("/{}?urlencoded=true", key(n))),
                    Operation::Put(n, _) => ("PUT", format!("/{}?urlencoded=true", key(n))),
                    Operation::List => ("GET", "/?key_count_limit=1000".to_owned()),
                };
                write!(
                    out,
                    "{method} {path} HTTP/1.1\r\nHost: fake-host\r\nCF-KV-FLPROD-405: https://fake-host{path}\r\n\
                     x-selvedge-resource: {RESOURCE}\r\nx-selvedge-token: {TOKEN}\r\n"
                )?;
                if let Operation::Put(_, size) = operation {
                    write!(out, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {size}\r\n\r\n")?;
                    out.extend_from_slice(&value[..size]);
                } else {
                    out.extend_from_slice(b"\r\n");
                }
            }
            Self::Redis => match operation {
                Operation::Get(n) => {
                    let key = key(n);
                    write!(out, "*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len())?;
                }
                Operation::Put(n, size) => {
                    let key = key(n);
                    write!(out, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${size}\r\n", key.len())?;
                    out.extend_from_slice(&value[..size]);
                    out.extend_from_slice(b"\r\n");
                }
                Operation::List => {
                    out.extend_from_slice(b"*4\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n");
                }
            },
        }
        Ok(())
    }

    pub(crate) fn reader(self) -> Reader {
        Reader { protocol: self, left: None, ok: false }
    }
}

/// Takes answers apart as they arrive, without keeping bodies.
#[derive(Debug)]
pub(crate) struct Reader {
    protocol: Protocol,
    /// Bytes of the answer's body that are still to come, once its head is known.
    left: Option<usize>,
    ok: bool,
}

impl Reader {
    /// Consumes what is in `buffer`; `Some(whether it was a good answer)` once the answer is whole.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Option<bool>> {
        if self.left.is_none() {
            let head = match self.protocol {
                Protocol::Binding => http_head(buffer)?,
                Protocol::Redis => redis_head(buffer)?,
            };
            let Some(head) = head else { return Ok(None) };
            self.ok = head.ok;
            self.left = Some(head.body);
            buffer.drain(..head.length);
        }
        let left = self.left.context("there is a head")?;
        ensure!(buffer.len() <= left, "an answer is longer than it said");
        let left = left - buffer.len();
        buffer.clear();
        self.left = (left > 0).then_some(left);
        Ok((left == 0).then_some(self.ok))
    }
}

struct Head {
    length: usize,
    body: usize,
    ok: bool,
}

fn http_head(buffer: &[u8]) -> Result<Option<Head>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = &buffer[..end + 2];
    let ok = head.get(9) == Some(&b'2');
    let mut body = None;
    for line in head.split(|byte| *byte == b'\n') {
        const NAME: &[u8] = b"content-length:";
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            body = str::from_utf8(&line[NAME.len()..])?.trim().parse().ok();
        }
    }
    Ok(Some(Head { length: end + 4, body: body.context("no content length")?, ok }))
}

fn redis_head(buffer: &[u8]) -> Result<Option<Head>> {
    let Some(end) = buffer.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
    let number = || Ok::<i64, anyhow::Error>(str::from_utf8(&buffer[1..end])?.parse()?);
    let head = |body, ok| Some(Head { length: end + 2, body, ok });
    match buffer[0] {
        b'+' | b':' => Ok(head(0, true)),
        b'-' => Ok(head(0, false)),
        b'$' => {
            let length = number()?;
            // The line's end after the value is part of the answer.
            Ok(head(usize::try_from(length).map_or(0, |length| length + 2), length >= 0))
        }
        // Of an array only the whole is of interest, so it must be here.
        b'*' => Ok(redis_value(buffer)?.map(|length| Head { length, body: 0, ok: true })),
        other => bail!("Redis said {other:?}"),
    }
}

/// The length of the whole value at the start of `buffer`.
fn redis_value(buffer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = buffer.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
    let number: i64 = str::from_utf8(&buffer[1..end])?.parse()?;
    let mut length = end + 2;
    match buffer[0] {
        b'$' => length += usize::try_from(number)? + 2,
        b'*' => {
            for _ in 0..number {
                let Some(element) = buffer.get(length..).filter(|rest| !rest.is_empty()) else {
                    return Ok(None);
                };
                let Some(element) = redis_value(element)? else { return Ok(None) };
                length += element;
            }
        }
        other => bail!("Redis said {other:?}"),
    }
    Ok((length <= buffer.len()).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(protocol: Protocol, bytes: &[u8]) -> Vec<bool> {
        let (mut reader, mut buffer, mut answers) = (protocol.reader(), Vec::new(), Vec::new());
        for byte in bytes {
            buffer.push(*byte);
            answers.extend(reader.read(&mut buffer).unwrap());
        }
        assert!(buffer.is_empty());
        answers
    }

    #[test]
    fn answers_are_read_however_they_arrive() {
        let http =
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer(Protocol::Binding, http), [true, false]);
        let redis = b"+OK\r\n$3\r\nabc\r\n$-1\r\n-ERR no\r\n*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n";
        assert_eq!(answer(Protocol::Redis, redis), [true, true, false, false, true]);
    }
}
