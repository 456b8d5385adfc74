//! The login against a server that wants the password shown, as MySQL 8 does the first time and MariaDB never.

use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::{Oaep, RsaPrivateKey};
use selvedge_base::SystemClock;
use sha1::Sha1;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::auth::CACHING;
use super::super::packet::{LONGEST, push};
use super::super::wire::status;
use super::*;

const NONCE: &[u8] = b"abcdefghijklmnopqrst";

async fn send(stream: &mut TcpStream, sequence: u8, payload: &[u8]) {
    let mut out = Vec::new();
    push(&mut out, sequence, payload);
    stream.write_all(&out).await.unwrap();
}

async fn receive(stream: &mut TcpStream) -> (Vec<u8>, u8) {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    let length = super::super::packet::length(&header);
    assert!(length < LONGEST);
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (payload, header[3])
}

/// How the server goes on after it was told the proof.
#[derive(Clone, Copy)]
enum Server {
    /// It knows us.
    Fast,
    /// It wants the password itself.
    Full,
    /// It likes another way better.
    Switches,
    /// It wants a way that we do not know.
    Strange,
}

/// Plays a server, and gives the password that it was shown.
async fn play(listener: TcpListener, server: Server) -> Option<Vec<u8>> {
    let (mut stream, _) = listener.accept().await.unwrap();
    let greeting = Greeting {
        version: "8.4.0".to_owned(),
        connection: 5,
        nonce: NONCE.to_vec(),
        capabilities: capability::COMMON | capability::SESSION_TRACK,
        charset: 255,
        method: CACHING.into(),
    };
    send(&mut stream, 0, &greeting.payload()).await;
    let (response, sequence) = receive(&mut stream).await;
    let response = Response::parse(&response).unwrap();
    assert_eq!((response.user.as_slice(), response.database.as_slice()), (&b"me"[..], &b"shop"[..]));
    assert_eq!(response.proof, Method::CachingSha2.proof(b"p\xc3\xa4ss", NONCE));
    let ok = super::super::greeting::ok(status::AUTOCOMMIT);
    let mut shown = None;
    let mut next = sequence + 1;
    match server {
        Server::Fast => {
            send(&mut stream, next, &[1, 3]).await;
            next += 1;
        }
        Server::Full => {
            send(&mut stream, next, &[1, 4]).await;
            let (wish, sequence) = receive(&mut stream).await;
            assert_eq!(wish, [2], "it asks for the key");
            let private = RsaPrivateKey::from_pkcs8_pem(include_str!("test_key.pem")).unwrap();
            let public = private.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
            send(&mut stream, sequence + 1, &[&[1], public.as_bytes()].concat()).await;
            let (hidden, sequence) = receive(&mut stream).await;
            let masked = private.decrypt(Oaep::<Sha1>::new(), &hidden).unwrap();
            let plain = masked.iter().zip(NONCE.iter().cycle()).map(|(a, b)| a ^ b);
            shown = Some(plain.collect());
            next = sequence + 1;
        }
        Server::Switches | Server::Strange => {
            let name: &[u8] =
                if matches!(server, Server::Strange) { b"client_ed25519" } else { b"mysql_native_password" };
            send(&mut stream, next, &[&[0xfe], name, &[0], b"01234567890123456789", &[0]].concat()).await;
            if matches!(server, Server::Strange) {
                return None;
            }
            let (proof, sequence) = receive(&mut stream).await;
            assert_eq!(proof, Method::Native.proof(b"p\xc3\xa4ss", b"01234567890123456789"));
            next = sequence + 1;
        }
    }
    send(&mut stream, next, &ok).await;
    shown
}

async fn log_in(server: Server) -> (Result<Backend, ConnectError>, Option<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let origin = Origin::parse(&format!("mysql://me:p%C3%A4ss@127.0.0.1:{port}/shop")).unwrap();
    let connector = MySqlConnect::new(origin, false, None, SystemClock::shared()).unwrap();
    tokio::join!(connector.log_in(), play(listener, server))
}

#[tokio::test]
async fn a_server_that_knows_us_needs_the_proof_alone() {
    let (backend, shown) = log_in(Server::Fast).await;
    let backend = backend.unwrap();
    assert_eq!((backend.number, &*backend.version, backend.tracks_state, shown), (5, "8.4.0", true, None));
}

#[tokio::test]
async fn the_password_is_shown_under_the_servers_key_only() {
    let (backend, shown) = log_in(Server::Full).await;
    backend.unwrap();
    assert_eq!(shown.as_deref(), Some(&b"p\xc3\xa4ss\0"[..]));
}

#[tokio::test]
async fn the_method_may_be_switched_to_one_that_we_know() {
    log_in(Server::Switches).await.0.unwrap();
    let error = log_in(Server::Strange).await.0.unwrap_err();
    assert!(matches!(&error, ConnectError::Method(name) if name == "client_ed25519"));
    assert!(MySqlConnect::is_permanent(&error));
}
