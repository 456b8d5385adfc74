//! What changes between the head a client sends and the head the runtime gets, and on the way back.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use selvedge_base::Clock;

use crate::cf::Identity;

/// Carries `request.cf` to the runtime: its `cfBlobHeader`.
pub const CF_HEADER: &str = "x-selvedge-cf";

/// By this a client says at which location its request comes in, when the app has several.
pub const COLO_HEADER: &str = "cf-colo";

const CF_BLOB: HeaderName = HeaderName::from_static(CF_HEADER);
const CF_CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");
const CF_IPCOUNTRY: HeaderName = HeaderName::from_static("cf-ipcountry");
pub(crate) const CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
const CF_VISITOR: HeaderName = HeaderName::from_static("cf-visitor");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Says what a request's head asks for, and turns it into what the runtime gets: nothing that concerns only
/// the connection (RFC 9110, 7.6.1), nothing by which a client could pass for someone else, and what the edge
/// adds. <https://developers.cloudflare.com/fundamentals/reference/http-headers/>
pub(crate) fn for_runtime(headers: &mut HeaderMap, identity: &Identity, ray: &HeaderValue) {
    remove_hop_by_hop(headers);
    let forged: Vec<HeaderName> = headers.keys().filter(|name| forgeable(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    join_cookies(headers);
    let forwarded = forwarded_for(headers, &identity.ip);
    let cf = identity.cf(headers.get(ACCEPT_ENCODING));
    headers.reserve(8);
    headers.insert(CF_CONNECTING_IP, identity.ip.clone());
    headers.insert(X_REAL_IP, identity.ip.clone());
    headers.insert(X_FORWARDED_FOR, forwarded);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(CF_RAY, ray.clone());
    headers.insert(CF_VISITOR, HeaderValue::from_static(r#"{"scheme":"http"}"#));
    headers.insert(CF_IPCOUNTRY, HeaderValue::from_static("XX"));
    headers.insert(CF_BLOB, cf);
}

/// The answer's head as the client gets it.
pub(crate) fn for_client(headers: &mut HeaderMap, ray: HeaderValue) {
    if !headers.is_empty() {
        remove_hop_by_hop(headers);
    }
    headers.insert(CF_RAY, ray);
}

/// Whether the client asks to go on as a WebSocket. Other upgrades (`h2c`) are not taken up, which a client
/// must be prepared for.
pub(crate) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && headers.get_all(CONNECTION).iter().any(|value| has_token(value, b"upgrade"))
}

/// Puts back what [`for_runtime`] took away from a request for a WebSocket.
pub(crate) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            // A client must not be able to have the runtime's own headers removed.
            .filter(|name| *name != HOST)
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
        headers.remove("keep-alive");
        headers.remove("proxy-connection");
        headers.remove("http2-settings");
    }
    for name in [TRANSFER_ENCODING, TE, TRAILER, UPGRADE, EXPECT] {
        headers.remove(name);
    }
}

/// Headers that say who a client is or where it is, and ours. Only the front door may set them.
fn forgeable(name: &str) -> bool {
    match name.as_bytes() {
        [b'c', b'f', b'-', ..] => matches!(
            name,
            "cf-connecting-ip"
                | "cf-connecting-ipv6"
                | "cf-connecting-o2o"
                | "cf-pseudo-ipv4"
                | "cf-ipcountry"
                | "cf-ipcity"
                | "cf-ipcontinent"
                | "cf-iplatitude"
                | "cf-iplongitude"
                | "cf-metro-code"
                | "cf-postal-code"
                | "cf-region"
                | "cf-region-code"
                | "cf-timezone"
                | "cf-ray"
                | "cf-visitor"
                | "cf-worker"
                | "cf-ew-via"
        ),
        [b'x', b'-', ..] => name.starts_with("x-selvedge-"),
        [b't', ..] => name == "true-client-ip",
        _ => false,
    }
}

/// HTTP/2 clients may send their cookies apart; in HTTP/1.1 they are one header (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(crumbs.join(&b"; "[..]))) {
        headers.insert(COOKIE, joined);
    }
}

/// The client's own `X-Forwarded-For` with the client's address appended, or that address.
fn forwarded_for(headers: &HeaderMap, ip: &HeaderValue) -> HeaderValue {
    if !headers.contains_key(X_FORWARDED_FOR) {
        return ip.clone();
    }
    let mut list = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        list.extend_from_slice(value.as_bytes());
        list.push(b',');
    }
    list.extend_from_slice(ip.as_bytes());
    HeaderValue::from_maybe_shared(Bytes::from(list)).unwrap_or_else(|_| ip.clone())
}

fn has_token(value: &HeaderValue, token: &[u8]) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

/// Makes ray ids: 16 hex digits that do not repeat, and the place. They name a request; they are no secret.
pub(crate) struct Rays {
    next: AtomicU64,
    colo: String,
}

impl Rays {
    pub(crate) fn new(clock: &dyn Clock, colo: &str) -> Self {
        let mut seed = [0; 8];
        clock.random(&mut seed);
        Self { next: AtomicU64::new(u64::from_le_bytes(seed)), colo: colo.to_owned() }
    }

    /// At `colo`, if it is not the usual place.
    pub(crate) fn next(&self, colo: Option<&str>) -> HeaderValue {
        let colo = colo.unwrap_or(&self.colo);
        // SplitMix64: a bijection of a counter, so no two are equal, and neighbours look unrelated.
        let mut x = self.next.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
        let mut text = Vec::with_capacity(17 + colo.len());
        for at in (0..16).rev() {
            let digit = (x >> (at * 4)) & 0xF;
            text.push(b"0123456789abcdef"[usize::try_from(digit).unwrap_or_default()]);
        }
        text.push(b'-');
        text.extend_from_slice(colo.as_bytes());
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Version;
    use selvedge_base::SystemClock;

    use super::*;

    fn rewritten(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let identity = Identity::new(Ipv4Addr::new(192, 0, 2, 7).into(), "ABC", Version::HTTP_11);
        for_runtime(&mut headers, &identity, &HeaderValue::from_static("0-ABC"));
        headers
    }

    #[test]
    fn what_concerns_only_the_connection_stays_behind() {
        let headers = rewritten(&[
            ("host", "a.example"),
            ("connection", "keep-alive, X-Private,host"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("x-kept", "1"),
        ]);
        for gone in ["connection", "keep-alive", "x-private", "te", "transfer-encoding", "expect", "upgrade"]
        {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["host"], "a.example");
        assert_eq!(headers["x-kept"], "1");
    }

    #[test]
    fn a_client_cannot_say_who_it_is() {
        let headers = rewritten(&[
            ("cf-connecting-ip", "6.6.6.6"),
            ("cf-connecting-ip", "7.7.7.7"),
            ("cf-ipcity", "Atlantis"),
            ("true-client-ip", "6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("x-selvedge-cf", "{}"),
            ("x-selvedge-token", "t"),
            ("cf-access-jwt-assertion", "kept"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "198.51.100.2"),
        ]);
        assert_eq!(headers.get_all("cf-connecting-ip").iter().collect::<Vec<_>>(), ["192.0.2.7"]);
        assert_eq!(headers["x-real-ip"], "192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-for"], "198.51.100.1,198.51.100.2,192.0.2.7");
        assert!(headers["x-selvedge-cf"].to_str().unwrap().contains("\"colo\":\"ABC\""));
        assert_eq!(headers["cf-access-jwt-assertion"], "kept");
        for gone in ["cf-ipcity", "true-client-ip", "x-selvedge-token"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn cookies_that_came_apart_are_joined() {
        let headers = rewritten(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        let head = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            asks_for_websocket(&headers)
        };
        assert!(head(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]));
        assert!(!head(&[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!head(&[("connection", "keep-alive"), ("upgrade", "websocket")]));
    }

    #[test]
    fn rays_have_cloudflares_shape_and_differ() {
        let rays = Rays::new(&SystemClock, "ABC");
        let (a, b) = (rays.next(None), rays.next(None));
        assert_ne!(a, b);
        let (id, colo) = a.to_str().unwrap().split_once('-').unwrap();
        assert_eq!((id.len(), colo), (16, "ABC"));
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
