//! Requests to an S3 endpoint, signed (version 4, in the header, the payload unsigned as SDKs do over TLS).

use std::fmt::Write as _;

use anyhow::Result;
use hmac::{Hmac, KeyInit as _, Mac as _};
use selvedge_base::{Millis, SystemClock};
use sha2::{Digest as _, Sha256};

const REGION: &str = "us-east-1";

/// A key to sign with.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// So many bytes of noise.
    Noise(u64),
    Bytes(Vec<u8>),
}

impl Body {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Noise(size) => *size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: &'static str,
    /// Made of characters that need no escape.
    path: String,
    /// As it is signed: pairs in order, each with a `=`.
    query: String,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        let (query, headers, body) = (String::new(), Vec::new(), Body::Bytes(Vec::new()));
        Self { method, path: path.into(), query, headers, body }
    }

    pub(crate) fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The head as it goes out, with a signature of now.
    pub(crate) fn head(&self, credentials: Option<&Credentials>) -> Result<String> {
        let target = if self.query.is_empty() { "" } else { "?" };
        let mut head = format!("{} {}{target}{} HTTP/1.1\r\n", self.method, self.path, self.query);
        let mut headers = self.headers.clone();
        headers.push(("host", "127.0.0.1".to_owned()));
        if let Some(credentials) = credentials {
            headers.push(("x-amz-content-sha256", "UNSIGNED-PAYLOAD".to_owned()));
            headers.push(("x-amz-date", amz_date(SystemClock::shared().now())));
            headers.sort_unstable();
            let authorization = self.authorization(&headers, credentials)?;
            headers.push(("authorization", authorization));
        }
        headers.push(("content-length", self.body.len().to_string()));
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        head.push_str("\r\n");
        Ok(head)
    }

    fn authorization(&self, headers: &[(&str, String)], credentials: &Credentials) -> Result<String> {
        let date = headers.iter().find(|(name, _)| *name == "x-amz-date").map_or("", |(_, date)| date);
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in headers {
            writeln!(canonical, "{name}:{value}")?;
        }
        write!(canonical, "\n{names}\nUNSIGNED-PAYLOAD")?;
        let day = &date[..8];
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let hash = hex::encode(Sha256::digest(&canonical));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let mut key = format!("AWS4{}", credentials.secret).into_bytes();
        for step in [day, REGION, "s3", "aws4_request", &text] {
            key = hmac(&key, step)?;
        }
        Ok(format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            credentials.id,
            hex::encode(key)
        ))
    }
}

fn hmac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// `20261122T071800Z`.
fn amz_date(now: Millis) -> String {
    let secs = now.secs();
    format!("{}T{:02}{:02}{:02}Z", now.date().replace('-', ""), secs / 3600 % 24, secs / 60 % 60, secs % 60)
}
