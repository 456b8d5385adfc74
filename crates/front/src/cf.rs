//! `request.cf`, and what the edge knows about a client's connection.
//!
//! The fields are those that `wrangler dev` gives, so that code which reads them finds them. Their values are
//! true for a server of one's own: nobody looked up where the client is, so the place is "unknown" in the way
//! each field can say it, the network is a private one (64512, RFC 6996), and there is no TLS.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Version};

/// Everything about one connection that goes into each of its requests, made once.
pub(crate) struct Identity {
    pub(crate) ip: HeaderValue,
    /// `request.cf` up to its last brace.
    blob: String,
    /// The blob of a request without `Accept-Encoding`.
    plain: HeaderValue,
    /// The last `Accept-Encoding` and the blob that says so. One client rarely sends two different ones.
    encoded: Mutex<Option<(HeaderValue, HeaderValue)>>,
}

impl Identity {
    pub(crate) fn new(client: IpAddr, colo: &str, version: Version) -> Self {
        let blob = blob(colo, version);
        let plain = value(format!("{blob}}}"));
        Self { ip: value(client.to_string()), blob, plain, encoded: Mutex::new(None) }
    }

    /// The JSON of `request.cf` for a request with this `Accept-Encoding`.
    pub(crate) fn cf(&self, accept_encoding: Option<&HeaderValue>) -> HeaderValue {
        let Some(wanted) = accept_encoding else { return self.plain.clone() };
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, blob)) = encoded.as_ref()
            && known == wanted
        {
            return blob.clone();
        }
        let text = serde_json::Value::from(String::from_utf8_lossy(wanted.as_bytes()));
        let made = value(format!("{},\"clientAcceptEncoding\":{text}}}", self.blob));
        *encoded = Some((wanted.clone(), made.clone()));
        made
    }
}

fn blob(colo: &str, version: Version) -> String {
    let protocol = match version {
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    };
    let certificate = serde_json::json!({
        "certPresented": "0", "certVerified": "NONE", "certRevoked": "0",
        "certIssuerDN": "", "certSubjectDN": "", "certIssuerDNRFC2253": "", "certSubjectDNRFC2253": "",
        "certIssuerDNLegacy": "", "certSubjectDNLegacy": "", "certSerial": "", "certIssuerSerial": "",
        "certSKI": "", "certIssuerSKI": "", "certFingerprintSHA1": "", "certFingerprintSHA256": "",
        "certNotBefore": "", "certNotAfter": "",
    });
    let bots = serde_json::json!({
        "corporateProxy": false, "verifiedBot": false, "staticResource": false, "detectionIds": [],
        "ja3Hash": "", "score": 99,
    });
    let mut cf = serde_json::json!({
        "colo": colo, "country": "XX", "continent": "", "region": "", "regionCode": "", "city": "",
        "postalCode": "", "metroCode": "", "timezone": "UTC", "latitude": "0.00000", "longitude": "0.00000",
        "asn": 64512, "asOrganization": "Private network",
        "httpProtocol": protocol, "requestPriority": "", "clientTcpRtt": 0,
        "tlsVersion": "none", "tlsCipher": "NONE", "tlsClientAuth": certificate,
        "edgeRequestKeepAliveStatus": 1, "clientTrustScore": 99, "botManagement": bots,
    })
    .to_string();
    cf.pop();
    cf
}

/// `text` as a header value. Everything that comes here is printable; if not, the value is empty.
fn value(text: String) -> HeaderValue {
    // Bytes beyond ASCII are allowed in a header value and the runtime reads them as UTF-8.
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn parsed(value: &HeaderValue) -> serde_json::Value {
        serde_json::from_slice(value.as_bytes()).unwrap()
    }

    #[test]
    fn the_blob_is_json_with_and_without_accept_encoding() {
        let identity = Identity::new(Ipv4Addr::LOCALHOST.into(), "ABC", Version::HTTP_2);
        let plain = parsed(&identity.cf(None));
        assert_eq!(plain["colo"], "ABC");
        assert_eq!(plain["httpProtocol"], "HTTP/2");
        assert_eq!(plain["tlsClientAuth"]["certPresented"], "0");
        assert!(plain.get("clientAcceptEncoding").is_none());

        let wanted = HeaderValue::from_static("gzip, \"br\"\\");
        for _ in 0..2 {
            assert_eq!(parsed(&identity.cf(Some(&wanted)))["clientAcceptEncoding"], "gzip, \"br\"\\");
        }
        let other = HeaderValue::from_static("zstd");
        assert_eq!(parsed(&identity.cf(Some(&other)))["clientAcceptEncoding"], "zstd");
    }
}
