//! Durable Object ids, as workerd derives them from names.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The id, in hex, of the object called `name` in the class of `unique_key`: half a keyed hash of the name, half
/// a keyed hash of that.
pub(crate) fn object_id(unique_key: &str, name: &str) -> String {
    let key = Sha256::digest(unique_key);
    let hash = |of: &[u8]| {
        // A key of any length will do.
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(of);
        mac.finalize().into_bytes()
    };
    let name = hash(name.as_bytes());
    let (name, check) = (&name[..16], hash(&name[..16]));
    format!("{}{}", hex::encode(name), hex::encode(&check[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_real_runtimes() {
        // As wrangler 4.86 and workerd 1.20261117.1 named their files.
        let kv = object_id("miniflare-KVNamespaceObject", "sessions");
        assert_eq!(kv, "30f51a5fa376723f634c74ce3a08b180582992222efbe9055f6748290f6d3fa2");
        let d1 = object_id("D1Database", "aaaa-bbbb");
        assert_eq!(d1, "8187d865d589c63695900c996f69954854a8d05bc42da6a47c136045f3e7a889");
    }
}
