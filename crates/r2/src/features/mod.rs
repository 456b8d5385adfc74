//! What a bucket does beyond keeping objects: its rules, kept in its own database and enforced by the engine.

pub(crate) mod cors;
pub(crate) mod events;
pub(crate) mod lifecycle;
pub(crate) mod locks;
pub(crate) mod moment;
pub(crate) mod settings;
