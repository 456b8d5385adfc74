//! Requests that another signer signed, in the header and in the query: the endpoint must find every signature right.
//! Bytes are fields with 0xFF between them: kind, key, names and values of the query, values of headers.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use selvedge_fuzz::{Request, Server, encoded, is_failure};

thread_local!(static SERVER: OnceCell<Server> = const { OnceCell::new() });

fuzz_target!(|bytes: &[u8]| {
    let mut fields = bytes.split(|&byte| byte == 0xff);
    let kind = fields.next().and_then(|kind| kind.first().copied()).unwrap_or_default();
    let key = fields.next().unwrap_or_default();
    let fields: Vec<&[u8]> = fields.take(12).collect();
    let half = fields.len() / 2;
    let query = fields[..half].chunks(2).map(|pair| {
        let value = pair.get(1).copied().unwrap_or_default();
        (encoded(pair[0], false), encoded(value, false))
    });
    // What names an operation, or another signature, is not what this is about.
    let query =
        query.filter(|(name, _)| !name.is_empty() && !name.to_ascii_lowercase().contains("signature"));
    let printable = |value: &[u8]| {
        value.iter().map(|byte| char::from(byte % 95 + 32)).collect::<String>().trim().to_owned()
    };
    let headers = fields[half..].iter().enumerate();
    let headers = headers.map(|(at, value)| (format!("x-amz-meta-{}", at * 7 % 5), printable(value)));
    let request = Request {
        method: ["GET", "HEAD", "PUT", "DELETE", "POST"][usize::from(kind) / 2 % 5],
        path: format!("/bkt/{}", encoded(key, true)),
        query: query.collect(),
        headers: headers.collect(),
        body: b"",
    };
    let bytes = request.signed(kind % 2 == 1);
    SERVER.with(|server| {
        let answer = server.get_or_init(Server::start).s3(&bytes);
        let text = String::from_utf8_lossy(&answer);
        let wrong = text.contains("SignatureDoesNotMatch") || is_failure(&answer);
        assert!(!wrong, "{}\n{text}", String::from_utf8_lossy(&bytes));
    });
});
