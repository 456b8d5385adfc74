//! What a statement's text says about the session it needs. One pass over the bytes, no allocation: every query of
//! every client in transaction mode goes through here.
//!
//! What a function or a procedure does to its session inside does not show in the text.

mod characteristics;
mod effects;
mod inspect;
mod scan;

pub(super) use characteristics::Characteristics;
pub(super) use effects::Effects;
pub(super) use inspect::{Inspection, inspect};
