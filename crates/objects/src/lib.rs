//! Durable Objects as far as they are ours: which class of a Worker owns which storage.
//!
//! workerd runs the objects and writes their files; a namespace of objects is, to it, one *unique key*, which
//! is also the name of a directory. This crate decides the unique key of every class from what the project
//! says about its classes' lives, so that a rename keeps the data, a deletion lets go of it, and a class made
//! anew under an old name starts empty.

mod lifecycle;

pub use lifecycle::{ObjectClass, Outcome, settle};
