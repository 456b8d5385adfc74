//! Placeholder, being written.

#[derive(Clone, Debug)]
pub struct Namespace;
