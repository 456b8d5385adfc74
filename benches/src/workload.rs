//! What is measured. Each workload is a route of the bench Worker in `fixtures/workers/bench`.

use std::sync::Arc;

use crate::load::Request;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    method: &'static str,
    path: fn(u64) -> String,
    body: usize,
    /// Whether it needs R2, which `workerd serve` does not have.
    pub(crate) needs_r2: bool,
}

const KEYS: u64 = 1000;

pub(crate) const ALL: &[Workload] = &[
    Workload { name: "no binding", method: "GET", path: |_| "/none".to_owned(), body: 0, needs_r2: false },
    Workload {
        name: "KV get 288 B",
        method: "GET",
        path: |n| format!("/kv/get?k={}", spread(n) % KEYS),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "KV put 288 B",
        method: "GET",
        path: |n| format!("/kv/put?k={}", spread(n) % KEYS),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "D1 point select",
        method: "GET",
        path: |n| format!("/d1/select?id={}", 1 + spread(n) % KEYS),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "D1 100-row select",
        method: "GET",
        path: |n| format!("/d1/rows?from={}", 1 + spread(n) % (KEYS - 100)),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "D1 insert",
        method: "GET",
        path: |_| "/d1/insert".to_owned(),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "D1 batch of 10",
        method: "GET",
        path: |n| format!("/d1/batch?id={}", 1 + spread(n) % KEYS),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "D1 90 % reads",
        method: "GET",
        path: |n| {
            if spread(n).is_multiple_of(10) {
                "/d1/insert".to_owned()
            } else {
                format!("/d1/select?id={}", 1 + spread(n) % KEYS)
            }
        },
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "R2 get 1 KB",
        method: "GET",
        path: |_| "/r2/get?size=1024".to_owned(),
        body: 0,
        needs_r2: true,
    },
    Workload {
        name: "R2 put 1 KB",
        method: "GET",
        path: |n| format!("/r2/put?size=1024&k={}", spread(n) % KEYS),
        body: 0,
        needs_r2: true,
    },
    Workload {
        name: "R2 get 1 MiB",
        method: "GET",
        path: |_| "/r2/get?size=1048576".to_owned(),
        body: 0,
        needs_r2: true,
    },
    Workload {
        name: "R2 put 1 MiB",
        method: "GET",
        path: |n| format!("/r2/put?size=1048576&k={}", spread(n) % 16),
        body: 0,
        needs_r2: true,
    },
    Workload {
        name: "DO in memory",
        method: "GET",
        path: |_| "/do/memory".to_owned(),
        body: 0,
        needs_r2: false,
    },
    Workload {
        name: "DO storage.put",
        method: "GET",
        path: |_| "/do/put".to_owned(),
        body: 0,
        needs_r2: false,
    },
];

impl Workload {
    pub(crate) fn request(self) -> Arc<Request> {
        let body = vec![b'x'; self.body];
        Arc::new(move |n| request_bytes(self.method, &(self.path)(n), &body))
    }
}

pub(crate) fn request_bytes(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: bench.localhost\r\n").into_bytes();
    if !body.is_empty() {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Spreads consecutive numbers over all of `u64` (the finaliser of SplitMix64), so that neighbours in time are
/// not neighbours in the key space.
pub(crate) fn spread(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
