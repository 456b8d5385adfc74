//! A client that sees everything: bytes as they are, and bodies as they come.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::setup::{Door, read_head};

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of unknown length, sent piece by piece.
pub(crate) fn pieces() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let frames = stream::unfold(receiver, async |mut receiver| {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok(Frame::data(piece)), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// An HTTP/1.1 connection.
pub(crate) async fn connection(door: &Door) -> http1::SendRequest<Body> {
    let (sender, connection) = http1::handshake(TokioIo::new(door.connect().await)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", "a.example").body(body).unwrap()
}

/// One request on a connection of its own, its answer read to the end.
pub(crate) async fn fetch(door: &Door, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = connection(door).await.send_request(request).await.unwrap();
    read(response).await
}

pub(crate) async fn get(door: &Door, path: &str) -> (StatusCode, HeaderMap, String) {
    fetch(door, request("GET", path, full(""))).await
}

pub(crate) async fn read(response: Response<Incoming>) -> (StatusCode, HeaderMap, String) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The next piece of an answer.
pub(crate) async fn piece(body: &mut Incoming) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

/// Sends bytes as they are; reads what comes until the server closes.
pub(crate) async fn raw(door: &Door, bytes: &str) -> String {
    let mut stream = door.connect().await;
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Reads an answer of known length from a connection that stays open.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> (String, String) {
    let head = read_head(stream).await;
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}
