//! Calls that are damaged, cut elsewhere than they say, or nonsense. A bounded run of what
//! fuzz/fuzz_targets/r2_frame.rs looks for without end.

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{request, start};

const CASES: u32 = 400;

const CALLS: [&str; 8] = [
    r#"{"version":1,"method":"head","object":"k"}"#,
    r#"{"version":1,"method":"get","object":"k","range":{"offset":"1","length":"2"},"onlyIf":{"etagMatches":[{"type":"strong","value":"e"}]}}"#,
    r#"{"version":1,"method":"list","limit":5,"prefix":"a","delimiter":"/","include":[0,1],"newRuntime":true}"#,
    r#"{"version":1,"method":"put","object":"k","customFields":[{"k":"a","v":"b"}],"httpFields":{"cacheExpiry":"1"},"md5":"XUFAKrxLKna5cZ2REBfFkg=="}"#,
    r#"{"version":1,"method":"createMultipartUpload","object":"k"}"#,
    r#"{"version":1,"method":"uploadPart","object":"k","uploadId":"u","partNumber":1}"#,
    r#"{"version":1,"method":"completeMultipartUpload","object":"k","uploadId":"u","parts":[{"etag":"e","part":1}]}"#,
    r#"{"version":1,"method":"delete","objects":["k","l"]}"#,
];

#[test]
fn a_damaged_call_is_refused_and_never_our_failure() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(start());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let inputs = (0..CALLS.len(), proptest::collection::vec(any::<u8>(), 0..40), any::<u64>());
    let outcome = TestRunner::new(config).run(&inputs, |(call, payload, seed)| {
        let mut bytes = CALLS[call].as_bytes().to_vec();
        let at = usize::try_from(seed >> 16).unwrap() % bytes.len();
        match seed % 5 {
            0 => bytes[at] ^= 1 << (seed % 8),
            1 => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, u8::try_from(seed >> 8 & 0xff).unwrap()),
            _ => {}
        }
        let in_header = seed & 0x100 == 0;
        // What it says of its length is a lie sometimes.
        let size = if seed & 0x200 == 0 { bytes.len() as u64 } else { seed % 1000 };
        let made = if in_header {
            bytes.retain(|byte| (32..127).contains(byte));
            request(Method::GET).header("cf-r2-request", bytes).body(Full::new(Bytes::new()))
        } else {
            let body = [bytes, payload].concat();
            request(Method::PUT).header("cf-r2-metadata-size", size).body(Full::new(Bytes::from(body)))
        };
        let answer = runtime.block_on(service.send(made.unwrap()));
        // R2 itself answers the end of an upload that it does not know as its own failure.
        let as_on_r2 = CALLS[call].contains("completeMultipartUpload");
        if answer.status().is_server_error() && !as_on_r2 {
            return Err(TestCaseError::fail(format!("{} {:?}", answer.status(), answer.headers())));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
