//! Where a request comes in, when the app has several locations.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use http::HeaderMap;

use crate::headers::COLO_HEADER;
use crate::refused::Refused;

/// The name of a location.
pub(crate) type Colo = Arc<str>;

/// The locations of the app, the usual one first. None: everything is at [`Settings::colo`](crate::Settings::colo).
#[derive(Default)]
pub(crate) struct Locations {
    /// So that a request need not take the lock when there are none.
    any: AtomicBool,
    names: RwLock<Arc<[Colo]>>,
}

impl Locations {
    pub(crate) fn set(&self, names: impl IntoIterator<Item = Colo>) {
        let names: Arc<[Colo]> = names.into_iter().collect();
        let any = !names.is_empty();
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
        self.any.store(any, Ordering::Release);
    }

    /// The location of a request: the one its header names, else that of the `port` it came to, else the first. The
    /// header is taken out, since no Worker on Cloudflare would see it. `None`: there are no locations.
    pub(crate) fn of(&self, headers: &mut HeaderMap, port: Option<&Colo>) -> Result<Option<Colo>, Refused> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(None);
        }
        let names = Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(asked) = headers.remove(COLO_HEADER) {
            let found = names.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(asked.as_bytes()));
            return match found {
                Some(name) => Ok(Some(Arc::clone(name))),
                None => Err(Refused::Location(names)),
            };
        }
        Ok(port.filter(|port| names.contains(port)).or_else(|| names.first()).cloned())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_header_comes_before_the_port_and_the_port_before_the_first() {
        let locations = Locations::default();
        let of = |header: Option<&'static str>, port: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(COLO_HEADER, HeaderValue::from_static(header));
            }
            let found = locations.of(&mut headers, port.map(Colo::from).as_ref());
            (found.map_err(|_| "refused").map(|colo| colo.map(|c| c.to_string())), headers.len())
        };
        let at = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(of(Some("AMS"), None), (Ok(None), 1), "without locations it is a header like any other");
        locations.set(["AMS".into(), "NRT".into()]);
        assert_eq!(of(Some("nrt"), Some("AMS")), (at("NRT"), 0));
        assert_eq!(of(None, Some("NRT")), (at("NRT"), 0));
        assert_eq!(of(None, None), (at("AMS"), 0));
        assert_eq!(of(Some("XYZ"), Some("NRT")), (Err("refused"), 0));
        assert_eq!(of(None, Some("XYZ")), (at("AMS"), 0), "a port whose location a reload took away");
    }
}
