//! The load generator: one thread, one request in flight on each connection, as little work as it can do. It is on
//! the other core, and is the same for every contestant.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use rustix::event::epoll;

use super::protocol::{Operation, Protocol, Reader};

#[derive(Debug)]
pub(crate) struct Outcome {
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
}

struct Connection {
    stream: UnixStream,
    reader: Reader,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    begun: Instant,
}

/// Sends what `next` says, on `connections` connections, until `time` is over or `next` has nothing more.
pub(crate) fn run(
    socket: &Path,
    protocol: Protocol,
    connections: usize,
    time: Duration,
    value: &[u8],
    mut next: impl FnMut() -> Option<Operation>,
) -> Result<Outcome> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut all = Vec::with_capacity(connections);
    for n in 0..connections {
        let stream =
            UnixStream::connect(socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
        stream.set_nonblocking(true)?;
        // Edge-triggered for both directions: everything is read or written until the kernel says to wait.
        let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(n as u64), events)?;
        let (reader, begun) = (protocol.reader(), Instant::now());
        all.push(Connection { stream, reader, request: Vec::new(), sent: 0, answer: Vec::new(), begun });
    }
    let mut outcome = Outcome { latency: Histogram::new(3)?, errors: 0, elapsed: Duration::ZERO };
    let start = Instant::now();
    let mut active = 0;
    for connection in &mut all {
        if let Some(operation) = next() {
            connection.begin(protocol, operation, value)?;
            active += 1;
        }
    }
    let mut events = Vec::with_capacity(connections);
    let mut scratch = vec![0; 1 << 20];
    while active > 0 {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let connection = &mut all[usize::try_from(event.data.u64())?];
            connection.send()?;
            let Some(ok) = connection.receive(&mut scratch)? else { continue };
            let took = connection.begun.elapsed();
            outcome.latency.record(u64::try_from(took.as_micros())?.max(1))?;
            outcome.errors += u64::from(!ok);
            let more = if start.elapsed() < time { next() } else { None };
            match more {
                Some(operation) => connection.begin(protocol, operation, value)?,
                None => active -= 1,
            }
        }
    }
    outcome.elapsed = start.elapsed();
    Ok(outcome)
}

impl Connection {
    fn begin(&mut self, protocol: Protocol, operation: Operation, value: &[u8]) -> Result<()> {
        self.request.clear();
        self.sent = 0;
        protocol.write(operation, value, &mut self.request)?;
        self.begun = Instant::now();
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(0) => bail!("the connection was closed"),
                Ok(sent) => self.sent += sent,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, scratch: &mut [u8]) -> Result<Option<bool>> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => bail!("the connection was closed"),
                Ok(read) => {
                    self.answer.extend_from_slice(&scratch[..read]);
                    if let Some(ok) = self.reader.read(&mut self.answer)? {
                        return Ok(Some(ok));
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }
}
