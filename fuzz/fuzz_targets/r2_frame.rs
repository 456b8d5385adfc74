//! Any call at the R2 binding. The first byte says how the rest is cut: a call in the header, or one before the bytes
//! of a body, with a length that may be a lie.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use selvedge_fuzz::{Server, is_failure};

thread_local!(static SERVER: OnceCell<Server> = const { OnceCell::new() });

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else { return };
    SERVER.with(|server| {
        let server = server.get_or_init(Server::start);
        let answer = if kind % 2 == 0 {
            let clean: Vec<u8> = rest.iter().copied().filter(|byte| *byte >= 32 && *byte != 127).collect();
            server.r2("GET", &[b"cf-r2-request: ", &clean[..], b"\r\n"].concat(), b"")
        } else {
            let end = rest.iter().position(|&byte| byte == 0xff).unwrap_or(rest.len());
            let lie = if kind % 8 == 3 { usize::from(kind) } else { 0 };
            let size = format!("cf-r2-metadata-size: {}\r\n", end + lie);
            server.r2("PUT", size.as_bytes(), rest)
        };
        // R2 itself answers the end of an upload that it does not know as its own failure.
        let as_on_r2 = String::from_utf8_lossy(rest).contains("MultipartUpload");
        assert!(as_on_r2 || !is_failure(&answer), "{}", String::from_utf8_lossy(&answer));
    });
});
