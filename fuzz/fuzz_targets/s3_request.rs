//! Any bytes at the S3 endpoint: it answers or closes, and it is never our failure.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use selvedge_fuzz::{Server, is_failure};

thread_local!(static SERVER: OnceCell<Server> = const { OnceCell::new() });

fuzz_target!(|bytes: &[u8]| {
    SERVER.with(|server| {
        let answer = server.get_or_init(Server::start).s3(bytes);
        assert!(!is_failure(&answer), "{}", String::from_utf8_lossy(&answer));
    });
});
