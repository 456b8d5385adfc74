//! End to end: the real binary, real workerd, real Workers, real clients.

mod crash;
mod differential;
mod examples;
mod mistakes;
mod platform;
mod reload;
mod support;
mod tidy;
