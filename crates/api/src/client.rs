//! The other end of the socket, for tools.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::envelope::Body;
use crate::server::{Api, serve_connection};

/// Bytes between the two ends of a connection within one process.
const PIPE: usize = 256 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot reach the node at {}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the connection to the node broke")]
    Broken(#[from] hyper::Error),
    /// The API said no; the text is for people.
    #[error("{message}")]
    Refused { status: StatusCode, code: u64, message: String },
    #[error("the node's answer is not what was expected: {0}")]
    Malformed(#[source] serde_json::Error),
    #[error("cannot make the request")]
    Request(#[from] http::Error),
}

/// A success: the result, and what is known of further pages.
#[derive(Debug)]
pub struct Answer<T> {
    pub result: T,
    /// Where the next page starts, where pages have cursors.
    pub cursor: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    result: T,
    #[serde(default)]
    result_info: PageInfo,
}

#[derive(Default, Deserialize)]
struct PageInfo {
    #[serde(default)]
    cursor: Option<String>,
}

/// Speaks to the API of one node. A connection is opened for each request, so requests may run side by side.
#[derive(Clone, Debug)]
pub struct Client {
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Socket(PathBuf),
    InProcess(Arc<Api>),
}

impl Client {
    /// A client of the node that listens at `path`.
    pub fn socket(path: &Path) -> Self {
        Self { way: Way::Socket(path.to_owned()) }
    }

    /// A client of engines in this process.
    pub fn in_process(api: Arc<Api>) -> Self {
        Self { way: Way::InProcess(api) }
    }

    /// Sends one request and returns the answer as it comes, whatever its status. `target` is a path below
    /// `/client/v4/accounts/local`, with its query, percent-encoded.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", crate::ACCOUNT))
            .header("host", "selvedge");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body)?;
        match &self.way {
            Way::Socket(path) => {
                let connect = |source| ClientError::Connect { path: path.clone(), source };
                exchange(UnixStream::connect(path).await.map_err(connect)?, request).await
            }
            Way::InProcess(api) => {
                let (ours, theirs) = tokio::io::duplex(PIPE);
                tokio::spawn(serve_connection(theirs, Arc::clone(api)));
                exchange(ours, request).await
            }
        }
    }

    /// As [`Client::send`] with a body in memory; an answer that is no success is an error.
    pub async fn fetch(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, ClientError> {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        self.fetch_with(method, target, headers, body).await
    }

    /// As [`Client::fetch`], with a body that comes as it is made.
    pub async fn fetch_with(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Response<Incoming>, ClientError> {
        let response = self.send(method, target, headers, body).await?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    /// Calls an operation that answers in JSON.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Answer<T>, ClientError> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let response = self.fetch(method, target, &[], body).await?;
        let bytes = response.into_body().collect().await?.to_bytes();
        let envelope: Envelope<T> = serde_json::from_slice(&bytes).map_err(ClientError::Malformed)?;
        let cursor = envelope.result_info.cursor.filter(|cursor| !cursor.is_empty());
        Ok(Answer { result: envelope.result, cursor })
    }
}

async fn exchange<S>(stream: S, request: Request<Body>) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the node ended early");
        }
    });
    Ok(sender.send_request(request).await?)
}

/// What a refusal says. One that is not in the usual envelope is told by its status.
async fn refused(response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let body = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return error.into(),
    };
    let envelope: Value = serde_json::from_slice(&body).unwrap_or_default();
    let first = &envelope["errors"][0];
    let message = first["message"].as_str().map_or_else(|| status.to_string(), str::to_owned);
    ClientError::Refused { status, code: first["code"].as_u64().unwrap_or_default(), message }
}
