//! The front door as its owner sees it.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::bind::{self, BindError};
use crate::client::{self, Shared};
use crate::connections::{Connections, Order};
use crate::gate::{Gate, Upstream};
use crate::headers::Rays;
use crate::locations::{Colo, Locations};
use crate::log::RequestLog;
use crate::pages::Pages;
use crate::settings::Settings;

/// A front door that listens. Clients are let in by [`serve`](Self::serve); their requests wait until
/// [`Upstream::serve_from`] says where the runtime is.
pub struct Front {
    listener: TcpListener,
    /// Ports of their own for locations.
    others: Vec<(TcpListener, Colo)>,
    shared: Arc<Shared>,
}

/// How a front door stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections with requests in progress that were cut at the deadline.
    pub cut: usize,
}

impl Front {
    /// Takes the port. Without `pages`, the runtime's answer to an exception is passed on as it is.
    pub async fn bind(
        address: SocketAddr,
        settings: Settings,
        pages: Option<Arc<dyn Pages>>,
        log: Arc<dyn RequestLog>,
    ) -> Result<Self, BindError> {
        let (listener, local) = bind::listen(address).await?;
        let rays = Rays::new(&*settings.clock, &settings.colo);
        let shared = Arc::new(Shared {
            settings,
            local,
            gate: Gate::new(),
            pages,
            log,
            rays,
            connections: Arc::default(),
            requests: AtomicUsize::new(0),
            locations: Locations::default(),
        });
        Ok(Self { listener, others: Vec::new(), shared })
    }

    /// Takes another port: what comes to it comes in at the location `colo`, if the app has it. Answers its address.
    pub async fn listen_at(&mut self, address: SocketAddr, colo: &str) -> Result<SocketAddr, BindError> {
        let (listener, local) = bind::listen(address).await?;
        self.others.push((listener, colo.into()));
        Ok(local)
    }

    /// The address it listens on, with the port that port 0 became.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    pub fn upstream(&self) -> Upstream {
        Upstream { shared: Arc::clone(&self.shared) }
    }

    /// Serves until `shutdown` resolves. Then nobody new is let in, WebSockets are closed, requests in progress
    /// may finish for [`Settings::drain`], and what is left is cut. Dropping the future cuts everything.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Stopped {
        let Self { listener, others, shared } = self;
        let connections = CutOnDrop(Arc::clone(&shared.connections));
        let mut shutdown = pin!(shutdown);
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                _ = seconds.tick() => {
                    connections.0.sweep();
                    shared.gate.sweep();
                }
                () = accept(&listener, None, &shared) => {}
                () = accept_any(&others, &shared) => {}
            }
        }
        drop((listener, others));
        connections.0.order_all(Order::Finish);
        if tokio::time::timeout(shared.settings.drain, connections.0.emptied()).await.is_ok() {
            return Stopped { cut: 0 };
        }
        let cut = connections.0.len();
        connections.0.order_all(Order::Cut);
        connections.0.emptied().await;
        Stopped { cut }
    }
}

/// Lets one client in.
async fn accept(listener: &TcpListener, colo: Option<&Colo>, shared: &Arc<Shared>) {
    match listener.accept().await {
        Ok((tcp, peer)) => {
            tokio::spawn(client::serve(Arc::clone(shared), tcp, peer, colo.cloned()));
        }
        Err(error) => {
            // Out of file descriptors, most likely: others will be closed soon.
            tracing::warn!(%error, "a client's connection was not accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Lets one client in at whichever port it comes to; waits for ever when there are none.
async fn accept_any(others: &[(TcpListener, Colo)], shared: &Arc<Shared>) {
    let accepts = others.iter().map(|(listener, colo)| Box::pin(accept(listener, Some(colo), shared)));
    let accepts: Vec<_> = accepts.collect();
    if accepts.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(accepts).await;
}

struct CutOnDrop(Arc<Connections>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.order_all(Order::Cut);
    }
}
