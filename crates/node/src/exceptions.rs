//! Exceptions that the runtime reported, for the front door's error page.
//!
//! The runtime answers an uncaught exception with a bare 500 and tells the details on its stderr. They meet
//! here. Nothing ties the two together but time: a page gets the oldest recent report that no other page got.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use selvedge_front::{ExceptionDetails, Pages, RequestSummary};
use tokio::sync::Notify;

/// The report may come a little after the answer.
const PATIENCE: Duration = Duration::from_millis(150);
/// An older report belongs to something that is over: a page nobody waited for, an alarm.
const RECENT: Duration = Duration::from_secs(1);
const KEPT: usize = 64;

#[derive(Default)]
pub(crate) struct Exceptions {
    recent: Mutex<VecDeque<(Instant, ExceptionDetails)>>,
    arrived: Notify,
}

impl Exceptions {
    pub(crate) fn add(&self, details: ExceptionDetails) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == KEPT {
            recent.pop_front();
        }
        recent.push_back((Instant::now(), details));
        drop(recent);
        self.arrived.notify_waiters();
    }

    fn take(&self) -> Option<ExceptionDetails> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.front().is_some_and(|(when, _)| when.elapsed() > RECENT) {
            recent.pop_front();
        }
        recent.pop_front().map(|(_, details)| details)
    }
}

impl Pages for Exceptions {
    fn exception<'a>(&'a self, _: &'a RequestSummary) -> BoxFuture<'a, Option<ExceptionDetails>> {
        Box::pin(async move {
            let look = async {
                loop {
                    let arrived = self.arrived.notified();
                    if let Some(details) = self.take() {
                        return details;
                    }
                    arrived.await;
                }
            };
            tokio::time::timeout(PATIENCE, look).await.ok()
        })
    }
}
