//! Work on bytes that goes on behind whoever hands them over, in order, on the blocking pool.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;

/// What is done with each piece. It may block.
pub trait Step: Send + 'static {
    fn step(&mut self, bytes: &Bytes) -> io::Result<()>;
}

/// A [`Step`] that is fed pieces and works through them on a thread of its own while there are any; between
/// them it has none. At most `depth` pieces wait or are being worked on: a faster feeder waits.
///
/// Dropped, it forgets what is waiting and drops the step once the piece it is at is done.
pub struct Behind<S> {
    shared: Arc<Shared<S>>,
    permits: Arc<Semaphore>,
}

struct Shared<S>(Mutex<State<S>>);

struct State<S> {
    /// Nobody is working.
    idle: Option<S>,
    jobs: VecDeque<Job<S>>,
    failed: Option<io::Error>,
    over: bool,
}

enum Job<S> {
    Step(Bytes, OwnedSemaphorePermit),
    Last(Box<dyn FnOnce(io::Result<S>) + Send>),
}

impl<S> fmt::Debug for Behind<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").field("free", &self.permits.available_permits()).finish_non_exhaustive()
    }
}

impl<S: Step> Behind<S> {
    pub fn new(step: S, depth: usize) -> Self {
        let state = State { idle: Some(step), jobs: VecDeque::new(), failed: None, over: false };
        Self { shared: Arc::new(Shared(Mutex::new(state))), permits: Arc::new(Semaphore::new(depth.max(1))) }
    }

    /// Hands over a piece. An error is that of an earlier one; nothing is done after it.
    pub async fn push(&self, bytes: Bytes) -> io::Result<()> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        self.enqueue(Job::Step(bytes, permit))
    }

    /// As [`Behind::push`], but a piece that would have to wait is not taken.
    pub fn push_if_free(&self, bytes: Bytes) -> io::Result<()> {
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => self.enqueue(Job::Step(bytes, permit)),
            Err(_) => Ok(()),
        }
    }

    /// Runs `last` on the step after the last piece, where it may block, and answers what it gives. When the
    /// caller goes away meanwhile, that is dropped over there.
    pub async fn finish<T: Send + 'static>(
        self,
        last: impl FnOnce(S) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move |outcome: io::Result<S>| {
            let _ = sender.send(outcome.and_then(last));
        });
        self.enqueue(Job::Last(job))?;
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the work was given up")))
    }

    fn enqueue(&self, job: Job<S>) -> io::Result<()> {
        let mut state = self.shared.state();
        if let Some(failed) = &state.failed {
            return Err(again(failed));
        }
        state.over |= matches!(job, Job::Last(_));
        state.jobs.push_back(job);
        if let Some(step) = state.idle.take() {
            let shared = Arc::clone(&self.shared);
            spawn_blocking(move || shared.work(step));
        }
        Ok(())
    }
}

impl<S> Drop for Behind<S> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if !state.over {
            state.jobs.clear();
        }
    }
}

impl<S> Shared<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Step> Shared<S> {
    fn work(&self, mut step: S) {
        loop {
            let job = {
                let mut state = self.state();
                match state.jobs.pop_front() {
                    Some(job) => job,
                    None => return state.idle = Some(step),
                }
            };
            match job {
                Job::Step(bytes, permit) => {
                    if self.state().failed.is_none()
                        && let Err(failed) = step.step(&bytes)
                    {
                        self.state().failed = Some(failed);
                    }
                    drop((bytes, permit));
                }
                Job::Last(last) => {
                    let failed = self.state().failed.take();
                    return last(failed.map_or(Ok(step), Err));
                }
            }
        }
    }
}

/// The same error for another caller.
fn again(failed: &io::Error) -> io::Error {
    match failed.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(failed.kind(), failed.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Collect(Vec<u8>);

    impl Step for Collect {
        fn step(&mut self, bytes: &Bytes) -> io::Result<()> {
            if bytes.is_empty() {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }

    #[tokio::test]
    async fn pieces_are_worked_on_in_order() {
        let behind = Behind::new(Collect::default(), 2);
        let expected: Vec<u8> = (0..200).collect();
        for byte in &expected {
            behind.push(Bytes::copy_from_slice(&[*byte])).await.unwrap();
        }
        assert_eq!(behind.finish(|step| Ok(step.0)).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_failure_is_told_and_nothing_is_done_after_it() {
        let behind = Behind::new(Collect::default(), 1);
        behind.push(Bytes::new()).await.unwrap();
        // The second waits for the first, so it or the third hears of it.
        let second = behind.push(Bytes::from_static(b"x")).await;
        let third = behind.push(Bytes::from_static(b"y")).await;
        let kind = |outcome: io::Result<()>| outcome.unwrap_err().kind();
        assert!(second.is_ok() || kind(second) == io::ErrorKind::StorageFull);
        assert_eq!(kind(third), io::ErrorKind::StorageFull);
        assert_eq!(behind.finish(|_| Ok(())).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn a_step_is_dropped_with_its_feeder() {
        struct Told(Option<oneshot::Sender<()>>);
        impl Step for Told {
            fn step(&mut self, _: &Bytes) -> io::Result<()> {
                Ok(())
            }
        }
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.take().map(|told| told.send(()));
            }
        }
        let (sender, dropped) = oneshot::channel();
        let behind = Behind::new(Told(Some(sender)), 4);
        for _ in 0..4 {
            behind.push(Bytes::from_static(b"x")).await.unwrap();
        }
        drop(behind);
        dropped.await.unwrap();
    }
}
