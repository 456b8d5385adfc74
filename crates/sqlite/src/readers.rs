//! The pool of reading connections. Opened when first needed, kept, never more than the limit.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Result};

type Connect = dyn Fn() -> rusqlite::Result<Connection> + Send + Sync;

/// The reads that may last, to be stopped when they last too long.
#[derive(Default)]
pub(crate) struct Active {
    next: AtomicU64,
    reads: Mutex<HashMap<u64, (Instant, InterruptHandle)>>,
}

impl fmt::Debug for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Active").finish_non_exhaustive()
    }
}

impl Active {
    pub(crate) fn enter(&self, connection: &Connection) -> Reading<'_> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let handle = connection.get_interrupt_handle();
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (Instant::now(), handle));
        Reading { active: self, id }
    }

    /// Interrupts the reads that began longer than `age` ago, and says how many.
    pub(crate) fn stop_older(&self, age: Duration) -> usize {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let old = reads.values().filter(|(begun, _)| begun.elapsed() > age);
        old.inspect(|(_, handle)| handle.interrupt()).count()
    }
}

pub(crate) struct Reading<'a> {
    active: &'a Active,
    id: u64,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.active.reads.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    connect: Arc<Connect>,
    active: Arc<Active>,
    limit: usize,
}

/// Nobody reads.
#[derive(Debug)]
pub(crate) struct Stopped {
    _permits: OwnedSemaphorePermit,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

impl Readers {
    pub(crate) fn new(
        limit: usize,
        connect: impl Fn() -> rusqlite::Result<Connection> + Send + Sync + 'static,
    ) -> Self {
        Self {
            idle: Arc::new(Mutex::new(Vec::with_capacity(limit))),
            permits: Arc::new(Semaphore::new(limit)),
            connect: Arc::new(connect),
            active: Arc::default(),
            limit,
        }
    }

    pub(crate) fn active(&self) -> &Arc<Active> {
        &self.active
    }

    pub(crate) async fn run_here<T>(&self, job: impl FnOnce(&Connection) -> T) -> Result<T> {
        let _permit = self.permit().await?;
        let connection = take(&self.idle, &*self.connect)?;
        let answer = job(&connection);
        give_back(&self.idle, connection);
        Ok(answer)
    }

    pub(crate) async fn run_apart<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T> {
        let permit = self.permit().await?;
        let (idle, connect, active) =
            (Arc::clone(&self.idle), Arc::clone(&self.connect), Arc::clone(&self.active));
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = take(&idle, &*connect)?;
            let reading = active.enter(&connection);
            let answer = job(&connection);
            drop(reading);
            give_back(&idle, connection);
            Ok(answer)
        })
        .await
        .map_err(|_| Error::Closed)?
    }

    /// Lets what is being read finish, then closes all connections. Every later read is told so.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        if let Ok(permits) = self.permits.acquire_many(all).await {
            self.permits.close();
            drop(permits);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Closes all connections, if none is in use, and keeps readers waiting for as long as the answer lives.
    pub(crate) fn try_stop(&self) -> Option<Stopped> {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(all).ok()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Some(Stopped { _permits: permits })
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)
    }
}

fn take(idle: &Mutex<Vec<Connection>>, connect: &Connect) -> Result<Connection> {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.map_or_else(|| connect().map_err(Error::from), Ok)
}

/// A connection left inside a transaction would go on seeing the past: it is closed instead.
fn give_back(idle: &Mutex<Vec<Connection>>, connection: Connection) {
    if connection.is_autocommit() {
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}
