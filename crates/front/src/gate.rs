//! Where requests go, and the exchange of one runtime process for the next.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::backend::{Backend, Pass};
use crate::client::Shared;
use crate::locations::Colo;
use crate::page::ErrorPage;

enum Route {
    /// Requests wait.
    Held,
    Serving(Arc<Backend>),
    Failed(Arc<ErrorPage>),
}

/// Why a request does not get through.
pub(crate) enum Refusal {
    Failed(Arc<ErrorPage>),
    /// Waited for a runtime as long as it may.
    TimedOut,
}

/// Decides what happens to a request now.
pub(crate) struct Gate {
    route: watch::Sender<Route>,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { route: watch::Sender::new(Route::Held) })
    }

    /// A pass to the runtime at `colo`, if one serves.
    pub(crate) fn admit(&self, colo: Option<&str>) -> Result<Option<Pass>, Refusal> {
        Self::look(&self.route.borrow(), colo)
    }

    /// Waits for a pass, but not to `not`: that one cannot be reached.
    pub(crate) async fn wait(
        &self,
        colo: Option<&str>,
        not: Option<&Arc<Backend>>,
        until: Instant,
    ) -> Result<Pass, Refusal> {
        let mut route = self.route.subscribe();
        let usable = |route: &Route| match route {
            Route::Held => false,
            Route::Serving(backend) => not.is_none_or(|not| !Arc::ptr_eq(not, backend)),
            Route::Failed(_) => true,
        };
        loop {
            match tokio::time::timeout_at(until, route.wait_for(usable)).await {
                // The pass is taken under the lock of the route, so that `hold` counts it.
                Ok(Ok(route)) => {
                    if let Some(pass) = Self::look(&route, colo)? {
                        return Ok(pass);
                    }
                }
                _ => return Err(Refusal::TimedOut),
            }
        }
    }

    fn look(route: &Route, colo: Option<&str>) -> Result<Option<Pass>, Refusal> {
        match route {
            Route::Held => Ok(None),
            Route::Serving(backend) => Ok(Some(backend.enter(colo))),
            Route::Failed(page) => Err(Refusal::Failed(Arc::clone(page))),
        }
    }

    pub(crate) fn sweep(&self) {
        if let Route::Serving(backend) = &*self.route.borrow() {
            backend.sweep();
        }
    }

    fn change(&self, to: Route) -> Option<Arc<Backend>> {
        match self.route.send_replace(to) {
            Route::Serving(old) => {
                old.retire();
                Some(old)
            }
            Route::Held | Route::Failed(_) => None,
        }
    }
}

/// Tells a front door where the runtime is. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    pub(crate) shared: Arc<Shared>,
}

impl Upstream {
    /// New requests go to the runtime on this unix socket, and held ones are released to it. It must be
    /// listening already. Requests in progress elsewhere go on where they are.
    pub fn serve_from(&self, socket: PathBuf) {
        self.serve_at(socket, []);
    }

    /// As [`serve_from`](Self::serve_from), for a runtime that has a socket of its own for each location but the
    /// first.
    pub fn serve_at(&self, first: PathBuf, others: impl IntoIterator<Item = (String, PathBuf)>) {
        self.shared.gate.change(Route::Serving(Backend::new(first, others)));
    }

    /// From now on requests come in at one of these locations, at the first if they do not say. None: they all come
    /// in at [`Settings::colo`](crate::Settings::colo).
    pub fn set_locations(&self, names: &[String]) {
        self.shared.locations.set(names.iter().map(|name| Colo::from(name.as_str())));
    }

    /// New requests wait. Closes WebSockets and resolves when the runtime has no request in progress, or after
    /// `patience`; returns how many are still in progress then. They end when the runtime does.
    pub async fn hold(&self, patience: Duration) -> usize {
        let Some(old) = self.shared.gate.change(Route::Held) else { return 0 };
        old.cut_tunnels();
        let _ = tokio::time::timeout(patience, old.quiet()).await;
        old.busy()
    }

    /// There is nothing to serve: requests, held ones too, are answered with this page until
    /// [`serve_from`](Self::serve_from).
    pub fn fail(&self, page: ErrorPage) {
        if let Some(old) = self.shared.gate.change(Route::Failed(Arc::new(page))) {
            old.cut_tunnels();
        }
    }
}
