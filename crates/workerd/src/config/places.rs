//! The locations of an app. Each has services of its own for every Worker and every resource, in the one process:
//! a call on a binding says nothing of the request it is made for, but it says which service made it.
//!
//! Durable Objects, queues, cron triggers and workflows are there once, with the services of the first location.

use std::path::PathBuf;

use super::{App, Sockets};

/// A set of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// `None` in an app without locations.
    pub(super) colo: Option<&'a str>,
    pub(super) is_first: bool,
}

impl Place<'_> {
    /// What the service that is `name` at the first location is called here.
    pub(super) fn service(&self, name: String) -> String {
        match self.colo {
            Some(colo) if !self.is_first => ["at/", colo, "/", &name].concat(),
            _ => name,
        }
    }
}

impl<'a> App<'a> {
    /// The first one is always there.
    pub(super) fn places(&self) -> Vec<Place<'a>> {
        let (first, others) = match self.locations.split_first() {
            Some((first, others)) => (Some(first.as_str()), others),
            None => (None, &[][..]),
        };
        let first = Place { colo: first, is_first: true };
        let others = others.iter().map(|name| Place { colo: Some(name), is_first: false });
        std::iter::once(first).chain(others).collect()
    }
}

impl Sockets {
    /// Where workerd listens for requests at `location`, which is not the first: beside `http`.
    pub fn http_at(&self, location: &str) -> PathBuf {
        let stem = self.http.file_stem().unwrap_or_default().to_string_lossy();
        self.http.with_file_name(format!("{stem}-{location}.sock"))
    }
}
