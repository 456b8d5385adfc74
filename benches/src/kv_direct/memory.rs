//! What the server holds in memory while much goes through it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::LARGE;
use super::load;
use super::protocol::{Operation, Protocol, RESOURCE, TOKEN};
use super::server::Server;
use crate::usage::{self, Watch};

/// Values that stream at the same time.
const STREAMS: u64 = 20;

pub(crate) fn measure(server: &Server, keys: u64, value: &[u8]) -> Result<()> {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!("resident after {keys} keys were put: {:.0} MB", mb(usage::of_tree(server.id()).resident_bytes));
    let (peak, listed) = while_sampled(server, || list_all(server))?;
    println!("while all {listed} keys are listed, a thousand per page: at most {:.0} MB", mb(peak));
    let (peak, ()) = while_sampled(server, || stream(server, |n| Operation::Put(keys + n, LARGE), value))?;
    println!("while {STREAMS} values of 25 MiB are put at once, five times: at most {:.0} MB", mb(peak));
    let (peak, ()) = while_sampled(server, || stream(server, |n| Operation::Get(keys + n), value))?;
    println!("while {STREAMS} values of 25 MiB are read at once, five times: at most {:.0} MB", mb(peak));
    Ok(())
}

fn while_sampled<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<(u64, T)> {
    let watch = Watch::start(server.id());
    let worked = work();
    let used = watch.stop()?;
    Ok((used.resident_bytes, worked?))
}

fn stream(server: &Server, operation: impl Fn(u64) -> Operation, value: &[u8]) -> Result<()> {
    let mut all = (0..5 * STREAMS).map(|n| operation(n % STREAMS));
    let connections = usize::try_from(STREAMS)?;
    let outcome =
        load::run(&server.socket, Protocol::Binding, connections, Duration::MAX, value, || all.next())?;
    anyhow::ensure!(outcome.errors == 0, "{} errors", outcome.errors);
    Ok(())
}

/// Follows the cursors from the first page to the last. Answers how many keys there were.
fn list_all(server: &Server) -> Result<u64> {
    let mut stream = UnixStream::connect(&server.socket)?;
    let (mut cursor, mut listed) = (String::new(), 0);
    loop {
        write!(
            stream,
            "GET /?key_count_limit=1000&cursor={cursor} HTTP/1.1\r\nHost: fake-host\r\n\
             x-selvedge-resource: {RESOURCE}\r\nx-selvedge-token: {TOKEN}\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        let mut piece = vec![0; 65536];
        // A page ends with the object that it is.
        while !answer.ends_with(b"}") {
            let read = stream.read(&mut piece)?;
            anyhow::ensure!(read > 0, "the connection was closed");
            answer.extend_from_slice(&piece[..read]);
        }
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no head")? + 4;
        let page: serde_json::Value = serde_json::from_slice(&answer[body..])?;
        listed += page["keys"].as_array().context("no keys")?.len() as u64;
        match page["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(listed),
        }
    }
}
