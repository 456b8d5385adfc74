//! WebSockets through the front door, to a real Worker.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::get;
use crate::setup::{Door, Runtime, eventually};

async fn open(door: &Door) -> WebSocketStream<TcpStream> {
    let url = format!("ws://{}/ws", door.address);
    let (socket, response) = tokio_tungstenite::client_async(url, door.connect().await).await.unwrap();
    assert!(response.headers().contains_key("cf-ray"));
    socket
}

async fn said(socket: &mut WebSocketStream<TcpStream>, message: Message) -> Message {
    socket.send(message).await.unwrap();
    socket.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn text_binary_and_close_codes_pass() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut socket = open(&door).await;
    assert_eq!(said(&mut socket, Message::text("héllo")).await, Message::text("héllo"));
    let bytes: Vec<u8> = (0..500_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    assert_eq!(said(&mut socket, Message::binary(bytes.clone())).await, Message::binary(bytes));
    let closed = said(&mut socket, Message::text("close")).await;
    let frame = CloseFrame { code: CloseCode::from(4001), reason: "asked to".into() };
    assert_eq!(closed, Message::Close(Some(frame)));
    while socket.next().await.is_some() {}
    let lines = door.log.lines(1).await;
    assert_eq!(lines[0].1, Some(StatusCode::SWITCHING_PROTOCOLS));
    assert!(lines[0].2 > 500_000 && lines[0].3, "{lines:?}");
}

#[tokio::test]
async fn the_worker_learns_that_the_client_closed_or_went_away() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut socket = open(&door).await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    socket.close(Some(frame)).await.unwrap();
    eventually("the close event", async || (get(&door, "/cancelled").await.2 == "1").then_some(())).await;

    let mut socket = open(&door).await;
    said(&mut socket, Message::text("there")).await;
    drop(socket);
    door.log.lines(2).await;
}

#[tokio::test]
async fn a_worker_may_refuse_a_websocket() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let url = format!("ws://{}/hello", door.address);
    let refused = tokio_tungstenite::client_async(url, door.connect().await).await.unwrap_err();
    let Error::Http(response) = refused else { panic!("{refused}") };
    assert_eq!(response.status(), StatusCode::OK);
    // The connection is whole.
    assert_eq!(get(&door, "/ws").await.0, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn a_swap_closes_websockets_and_does_not_wait_for_them() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut socket = open(&door).await;
    said(&mut socket, Message::text("there")).await;
    assert_eq!(door.upstream.hold(Duration::from_mins(1)).await, 0);
    assert!(!matches!(socket.next().await, Some(Ok(_))));

    // One that is asked for meanwhile waits.
    let next = Runtime::start().await;
    let (mut socket, ()) = tokio::join!(open(&door), async {
        tokio::task::yield_now().await;
        door.upstream.serve_from(next.socket.clone());
    });
    assert_eq!(said(&mut socket, Message::text("again")).await, Message::text("again"));
}
