//! Signatures of any key, query and header; and requests that were damaged on the way. A bounded run of what
//! fuzz/fuzz_targets/s3_signature.rs and s3_request.rs look for without end.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use selvedge_r2::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Request, Server, encoded, key_path, request};

const CASES: u32 = 400;

/// A request of some key, and whether the signature goes into the query.
fn requests() -> impl Strategy<Value = (Request, bool)> {
    let method = proptest::sample::select(vec!["GET", "HEAD", "PUT", "DELETE"]);
    let text = || vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect::<String>());
    let value =
        vec(proptest::char::range(' ', '~'), 0..20).prop_map(|chars| chars.into_iter().collect::<String>());
    let pairs = vec((text(), text()), 0..4);
    (method, text(), pairs, vec(value, 0..3), any::<bool>()).prop_map(
        |(method, key, pairs, values, in_query)| {
            let pairs = pairs.into_iter().filter(|(name, _)| !name.is_empty());
            let query: Vec<_> =
                pairs.map(|(name, value)| format!("{}={}", encoded(&name), encoded(&value))).collect();
            let mark = if query.is_empty() { "" } else { "?" };
            let mut made = request(method, &format!("/bkt/{}{mark}{}", key_path(&key), query.join("&")));
            for (at, value) in values.iter().enumerate() {
                made = made.header(&format!("x-amz-meta-{at}"), value.trim());
            }
            (made, in_query)
        },
    )
}

/// Everything that comes back, until the endpoint has no more to say.
async fn answer(server: &Server, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    let _ = tcp.write_all(bytes).await;
    let mut all = Vec::new();
    let _ = tcp.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// `patience` ends what waits for more than was sent.
fn run(patience: Duration, check: &impl AsyncFn(&Server, &Request, bool, u64) -> String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start_with(Limits::default(), patience));
    runtime.block_on(server.bucket("bkt"));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(requests(), any::<u64>()), |((request, in_query), seed)| {
        let wrong = runtime.block_on(check(&server, &request, in_query, seed));
        if wrong.is_empty() { Ok(()) } else { Err(proptest::test_runner::TestCaseError::fail(wrong)) }
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn signed(server: &Server, request: &Request, in_query: bool) -> Vec<u8> {
    let request = request.clone().header("connection", "close");
    if in_query { request.presign(server, "60") } else { request.sign(server, &server.key) }.bytes()
}

#[test]
fn every_right_signature_is_found_right() {
    run(Duration::from_mins(1), &async |server, request, in_query, _| {
        let answer = answer(server, &signed(server, request, in_query)).await;
        let wrong = answer.is_empty() || answer.contains("SignatureDoesNotMatch") || answer.contains(" 500 ");
        if wrong { answer + "!" } else { String::new() }
    });
}

#[test]
fn a_damaged_request_is_refused_or_not_understood() {
    run(Duration::from_millis(20), &async |server, request, in_query, seed| {
        let mut bytes = signed(server, request, in_query);
        let at = usize::try_from(seed >> 16).unwrap() % bytes.len();
        match seed % 4 {
            0 => bytes[at] ^= 1 << (seed % 7),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, u8::try_from(seed >> 8 & 0xff).unwrap()),
            _ => bytes.truncate(at),
        }
        let answer = answer(server, &bytes).await;
        if answer.contains("HTTP/1.1 500") { answer } else { String::new() }
    });
}
