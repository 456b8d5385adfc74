//! One workerd process and the connections to it.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::{Notify, watch};

use crate::runtime_stream::RuntimeStream;
use crate::upload::Upload;

/// workerd closes an idle connection after five seconds; one that is older than this is not used again.
const IDLE: Duration = Duration::from_secs(4);

pub(crate) type Connection = http1::Connection<TokioIo<RuntimeStream>, Upload>;

/// For polling what will be polled again anyway: wakes nobody.
pub(crate) fn silent() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A connection to the runtime. It has no task of its own: whoever uses it drives it, so that a request and
/// its answer pass through in one task.
pub(crate) struct Link {
    pub(crate) sender: http1::SendRequest<Upload>,
    /// `None` once it has ended.
    pub(crate) connection: Option<Box<Connection>>,
}

impl Link {
    /// Lets the connection read and write.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(&mut **connection).poll(cx).is_ready()
        {
            // Its error, if it ended with one, has gone to the request or the body that waits for it.
            self.connection = None;
        }
    }

    pub(crate) fn reusable(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }
}

/// One of the runtime's sockets.
struct Door {
    /// Empty for the first one.
    colo: String,
    socket: PathBuf,
    /// The last one used is used first, so that those that are not needed grow old.
    idle: Mutex<Vec<(Link, Instant)>>,
}

impl Door {
    fn idle(&self) -> MutexGuard<'_, Vec<(Link, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A runtime process that listens on unix sockets.
pub(crate) struct Backend {
    /// The first one is for every location that has none of its own.
    doors: Vec<Door>,
    /// Requests and tunnels that use it.
    busy: AtomicUsize,
    retired: AtomicBool,
    quiet: Notify,
    /// Turns true when tunnels are to end.
    cut_tunnels: watch::Sender<bool>,
}

impl Backend {
    pub(crate) fn new(first: PathBuf, others: impl IntoIterator<Item = (String, PathBuf)>) -> Arc<Self> {
        let door = |(colo, socket)| Door { colo, socket, idle: Mutex::default() };
        let doors = std::iter::once((String::new(), first)).chain(others);
        Arc::new(Self {
            doors: doors.map(door).collect(),
            busy: AtomicUsize::new(0),
            retired: AtomicBool::new(false),
            quiet: Notify::new(),
            cut_tunnels: watch::Sender::new(false),
        })
    }

    pub(crate) fn enter(self: &Arc<Self>, colo: Option<&str>) -> Pass {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let door = colo.and_then(|colo| self.doors.iter().position(|door| door.colo == colo)).unwrap_or(0);
        Pass { backend: Arc::clone(self), door }
    }

    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::SeqCst)
    }

    /// No new request will come: keeps no connection for later.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        for door in &self.doors {
            door.idle().clear();
        }
    }

    pub(crate) fn cut_tunnels(&self) {
        self.cut_tunnels.send_replace(true);
    }

    /// Resolves when tunnels are to end.
    pub(crate) async fn tunnels_cut(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.cut_tunnels.subscribe().wait_for(|cut| *cut).await;
    }

    /// Waits until nothing uses it.
    pub(crate) async fn quiet(&self) {
        loop {
            let quiet = self.quiet.notified();
            if self.busy() == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        for door in &self.doors {
            let mut idle = door.idle();
            let old = idle.iter().take_while(|(_, since)| since.elapsed() >= IDLE).count();
            idle.drain(..old);
        }
    }
}

/// The right to use a backend through one of its doors; it is not quiet while one exists.
pub(crate) struct Pass {
    backend: Arc<Backend>,
    door: usize,
}

impl Pass {
    pub(crate) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    fn door(&self) -> &Door {
        &self.backend.doors[self.door]
    }

    pub(crate) fn take_idle(&self) -> Option<Link> {
        let mut idle = self.door().idle();
        let (link, since) = idle.pop()?;
        if since.elapsed() < IDLE {
            return Some(link);
        }
        // All others are older.
        idle.clear();
        None
    }

    pub(crate) async fn connect(&self) -> io::Result<Link> {
        let stream = TokioIo::new(RuntimeStream::new(UnixStream::connect(&self.door().socket).await?));
        let (sender, connection) = http1::Builder::new().handshake(stream).await.map_err(io::Error::other)?;
        Ok(Link { sender, connection: Some(Box::new(connection)) })
    }

    /// Gives a connection back for the next request.
    pub(crate) fn give_back(&self, link: Link) {
        let mut idle = self.door().idle();
        if !self.backend.retired.load(Ordering::SeqCst) {
            idle.push((link, Instant::now()));
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let backend = &self.backend;
        if backend.busy.fetch_sub(1, Ordering::SeqCst) == 1 && backend.retired.load(Ordering::SeqCst) {
            backend.quiet.notify_waiters();
        }
    }
}
