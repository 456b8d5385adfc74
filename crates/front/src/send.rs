//! Getting a request to the runtime, and waiting for a runtime if there is none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::backend::{Link, Pass};
use crate::client::Shared;
use crate::exchange::{Failure, exchange};
use crate::gate::{Gate, Refusal};
use crate::refused::Refused;
use crate::upload::Upload;

/// Sends a request to whatever serves. It is sent again only if the runtime has seen nothing of it.
pub(crate) async fn send(
    shared: &Shared,
    colo: Option<&str>,
    mut request: Request<Upload>,
) -> Result<(Response<Incoming>, Link, Pass), Refused> {
    let mut patience = Patience::new(shared, colo);
    let mut pass = shared.gate.admit(colo).map_err(Refused::Gate)?;
    loop {
        let current = match pass.take() {
            Some(pass) => pass,
            None => Box::pin(patience.admitted()).await?,
        };
        let (link, current, reused) = if let Some(link) = current.take_idle() {
            (link, current, true)
        } else {
            let (link, current) = Box::pin(patience.connected(current)).await?;
            (link, current, false)
        };
        match exchange(link, request).await {
            Ok((response, link)) => return Ok((response, link, current)),
            Err(Failure::Lost(error)) => {
                tracing::debug!(%error, "the runtime ended a connection in the middle of a request");
                return Err(Refused::Lost);
            }
            Err(Failure::NotSent(back)) => request = *back,
        }
        if reused {
            // It was closed while idle; the next one may be better.
            pass = Some(current);
        } else {
            // The runtime accepts and closes: it is going down. Its successor may be near.
            drop(current);
            Box::pin(patience.pause()).await?;
        }
    }
}

/// How long one request may still wait.
pub(crate) struct Patience<'a> {
    gate: &'a Gate,
    colo: Option<&'a str>,
    hold: Duration,
    /// Set when it first has to wait.
    until: Option<Instant>,
    pause: Duration,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(shared: &'a Shared, colo: Option<&'a str>) -> Self {
        let pause = Duration::from_millis(1);
        Self { gate: &shared.gate, colo, hold: shared.settings.hold, until: None, pause }
    }

    fn until(&mut self) -> Instant {
        *self.until.get_or_insert_with(|| Instant::now() + self.hold)
    }

    /// Waits until a runtime serves.
    pub(crate) async fn admitted(&mut self) -> Result<Pass, Refused> {
        let until = self.until();
        self.gate.wait(self.colo, None, until).await.map_err(Refused::Gate)
    }

    /// A new connection to the runtime, or to its successor if that one cannot be reached.
    pub(crate) async fn connected(&mut self, mut pass: Pass) -> Result<(Link, Pass), Refused> {
        loop {
            let error = match pass.connect().await {
                Ok(link) => return Ok((link, pass)),
                Err(error) => error,
            };
            let backend = Arc::clone(pass.backend());
            // Without the pass, so that a `hold` does not wait for this request.
            drop(pass);
            pass = if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) {
                tracing::debug!(%error, "the runtime is gone; waiting for the next");
                let until = self.until();
                self.gate.wait(self.colo, Some(&backend), until).await.map_err(Refused::Gate)?
            } else {
                // `WouldBlock`: more clients connect than the runtime has accepted yet. Or no descriptors.
                tracing::debug!(%error, "a connection to the runtime was not made; trying again");
                self.pause().await?;
                self.admitted().await?
            };
        }
    }

    /// Waits a little, longer each time.
    pub(crate) async fn pause(&mut self) -> Result<(), Refused> {
        if Instant::now() + self.pause > self.until() {
            return Err(Refused::Gate(Refusal::TimedOut));
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        Ok(())
    }
}
