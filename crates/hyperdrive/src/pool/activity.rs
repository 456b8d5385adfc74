use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::PoolConfig;

/// For a connection to react to what was done about it.
const LAST_CHANCE: Duration = Duration::from_secs(5);

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const WAITING_FOR_CLIENT: u8 = 2;

/// What the holder of a connection must do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The statement has had its time: cancel it.
    StatementTimeout,
    /// The client has held its transaction open for too long without a word.
    IdleTransaction,
}

/// What a connection is doing and since when, for the pool's janitor to watch without touching the connection.
///
/// One look at the clock per change, no timer per statement.
#[derive(Debug)]
pub struct Activity {
    epoch: Instant,
    phase: AtomicU8,
    since: AtomicU64,
    verdict: AtomicU8,
    /// Judged already: what the holder does about it has less time.
    judged: AtomicBool,
    waker: AtomicWaker,
}

impl Activity {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            phase: AtomicU8::new(IDLE),
            since: AtomicU64::new(0),
            verdict: AtomicU8::new(0),
            judged: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// The origin works on something.
    pub fn running(&self) {
        self.enter(RUNNING);
    }

    /// A transaction is open and its client has the word.
    pub fn waiting_for_client(&self) {
        self.enter(WAITING_FOR_CLIENT);
    }

    /// Nothing is going on that a limit applies to.
    pub fn idle(&self) {
        self.phase.store(IDLE, Ordering::Release);
    }

    fn enter(&self, phase: u8) {
        let now = u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.since.store(now, Ordering::Release);
        self.judged.store(false, Ordering::Release);
        self.phase.store(phase, Ordering::Release);
    }

    /// The verdict on what is going on now, once; without one, the task of `cx` is woken when it comes.
    pub fn poll_verdict(&self, cx: &Context<'_>) -> Option<Verdict> {
        self.waker.register(cx.waker());
        self.take_verdict()
    }

    fn take_verdict(&self) -> Option<Verdict> {
        if self.verdict.load(Ordering::Acquire) == 0 {
            return None;
        }
        match self.verdict.swap(0, Ordering::AcqRel) {
            RUNNING => Some(Verdict::StatementTimeout),
            WAITING_FOR_CLIENT => Some(Verdict::IdleTransaction),
            _ => None,
        }
    }

    pub(super) fn clear(&self) {
        self.idle();
        self.verdict.store(0, Ordering::Release);
    }

    /// Gives a verdict if a limit has passed, and another if nothing has come of it after a while.
    pub(super) fn judge(&self, config: &PoolConfig) {
        let phase = self.phase.load(Ordering::Acquire);
        let limit = match phase {
            RUNNING => config.statement_timeout,
            WAITING_FOR_CLIENT => config.idle_transaction_timeout,
            _ => None,
        };
        let Some(mut limit) = limit else { return };
        if self.judged.load(Ordering::Acquire) {
            limit = limit.min(LAST_CHANCE);
        }
        let since = Duration::from_micros(self.since.load(Ordering::Acquire));
        if self.epoch.elapsed().saturating_sub(since) >= limit {
            self.enter(phase);
            self.judged.store(true, Ordering::Release);
            self.verdict.store(phase, Ordering::Release);
            self.waker.wake();
        }
    }
}
