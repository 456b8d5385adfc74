//! 64-bit integers as the runtime writes them: strings, mostly.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// An integer that may be a JSON number or a string of digits. One that does not fit is the nearest that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wide(pub(super) i64);

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WideVisitor)
    }
}

struct WideVisitor;

impl Visitor<'_> for WideVisitor {
    type Value = Wide;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, or a string that is one")
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Wide, E> {
        Ok(Wide(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Wide, E> {
        Ok(Wide(i64::try_from(n).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Wide, E> {
        if n.fract() != 0.0 {
            return Err(E::custom("not an integer"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the cast goes to the nearest integer there is")]
        Ok(Wide(n as i64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Wide, E> {
        let n: i128 = text.parse().map_err(E::custom)?;
        Ok(Wide(i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_comes_in_any_form() {
        let wide = |json: &str| serde_json::from_str::<Wide>(json).ok().map(|wide| wide.0);
        assert_eq!(wide("7"), Some(7));
        assert_eq!(wide("-7"), Some(-7));
        assert_eq!(wide("\"1700000000000\""), Some(1_700_000_000_000));
        assert_eq!(wide("\"18446744073709551615\""), Some(i64::MAX));
        assert_eq!(wide("1e3"), Some(1000));
        assert_eq!(wide("1.5"), None);
        assert_eq!(wide("\"one\""), None);
        assert_eq!(wide("true"), None);
    }
}
