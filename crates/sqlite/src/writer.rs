//! The writer thread: many requests, one commit.
//!
//! The thread takes the first waiting job, opens a transaction, runs the job and everything else that is
//! already waiting, each in a savepoint, commits once, and only then answers all of them. Under load the
//! fsync is shared by the whole queue; alone, a job pays for one commit and no waiting.

use std::fmt;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_base::crash_point;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::history::Recorder;

/// Jobs that share one commit at most.
const GROUP: usize = 512;
/// After this long no further job joins a group, so that the first does not wait for all the others.
const GROUP_TIME: Duration = Duration::from_millis(4);

/// Why a write did not happen. In either case nothing of it is in the database.
#[derive(Debug)]
pub enum WriteError<E> {
    /// The job itself said no.
    Job(E),
    /// The database failed, is closed or is overloaded.
    Database(Error),
}

/// Takes the outcome of the commit and answers the caller.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Runs inside the group's transaction, or hears that there is none; `None` when the caller went away before
/// its turn.
type Work = Box<dyn FnOnce(Result<&Connection, Error>) -> Option<Answer> + Send>;

struct Job {
    work: Work,
    company: Company,
}

/// Runs between transactions, with the connection to itself.
type Apart = Box<dyn FnOnce(&Connection, Option<&mut Recorder>) + Send>;

enum Turn {
    Job(Job),
    Apart(Apart),
    /// Nothing is run after it; the sender is dropped when the connection is closed.
    Last(oneshot::Sender<()>),
}

/// With whom a job shares its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Others,
    Nobody,
}

pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Turn>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// `recorder` hears of every commit.
    pub(crate) fn start(
        connection: Connection,
        path: &Path,
        queue: usize,
        recorder: Option<Recorder>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn({
                let path = path.to_owned();
                move || {
                    let closed = run(&connection, &path, receiver, recorder);
                    drop(connection);
                    drop(closed);
                }
            })
            .expect("the operating system starts threads");
        Self { queue: Some(sender), thread: Some(thread) }
    }

    pub(crate) async fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>> {
        let (job, answer) = package(job, Company::Others);
        let sent = match &self.queue {
            Some(queue) => queue.send(Turn::Job(job)).await.map_err(|_| Error::Closed),
            None => Err(Error::Closed),
        };
        receive(sent, answer).await
    }

    /// Runs `work` between transactions. What it has begun by itself it must also have ended.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, Option<&mut Recorder>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let work: Apart = Box::new(move |connection, recorder| {
            // A caller that went away does not want the answer.
            let _ = reply.send(work(connection, recorder));
        });
        let queue = self.queue.as_ref().ok_or(Error::Closed)?;
        queue.send(Turn::Apart(work)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)
    }

    pub(crate) async fn try_write<T: Send + 'static, E: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>> {
        self.try_send(package(job, Company::Others)).await
    }

    pub(crate) async fn try_write_alone<T: Send + 'static, E: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>> {
        self.try_send(package(job, Company::Nobody)).await
    }

    /// Lets what was accepted finish, then closes the connection. Every later write is told so.
    pub(crate) async fn close(&self) {
        let (last, closed) = oneshot::channel();
        if let Some(queue) = &self.queue
            && queue.send(Turn::Last(last)).await.is_ok()
        {
            // Nothing is ever sent: it ends when the connection is closed.
            let _ = closed.await;
        }
    }

    async fn try_send<T, E>(&self, (job, answer): (Job, Receiver<T, E>)) -> Result<T, WriteError<E>> {
        let sent = match &self.queue {
            Some(queue) => queue.try_send(Turn::Job(job)).map_err(|e| match e {
                TrySendError::Full(_) => Error::Overloaded,
                TrySendError::Closed(_) => Error::Closed,
            }),
            None => Err(Error::Closed),
        };
        receive(sent, answer).await
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // What was accepted is finished; a panic of the thread has already been reported.
            let _ = thread.join();
        }
    }
}

type Receiver<T, E> = oneshot::Receiver<Result<T, WriteError<E>>>;

fn package<T: Send + 'static, E: Send + 'static>(
    job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    company: Company,
) -> (Job, Receiver<T, E>) {
    let (reply, receiver) = oneshot::channel();
    let work: Work = Box::new(move |transaction| {
        if reply.is_closed() {
            return None;
        }
        let outcome = transaction.and_then(|connection| in_savepoint(connection, job));
        Some(Box::new(move |commit: Result<(), Error>| {
            let answer = match (outcome, commit) {
                (Ok(Ok(value)), Ok(())) => Ok(value),
                (Ok(Err(no)), _) => Err(WriteError::Job(no)),
                (Ok(Ok(_)), Err(failed)) | (Err(failed), _) => Err(WriteError::Database(failed)),
            };
            // A caller that went away does not want the answer.
            let _ = reply.send(answer);
        }) as Answer)
    });
    (Job { work, company }, receiver)
}

async fn receive<T, E>(sent: Result<(), Error>, answer: Receiver<T, E>) -> Result<T, WriteError<E>> {
    sent.map_err(WriteError::Database)?;
    answer.await.unwrap_or(Err(WriteError::Database(Error::Closed)))
}

fn in_savepoint<T, E>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<Result<T, E>, Error> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let outcome = job(connection);
    // A full disk or a failing one rolls the whole transaction back by itself; the commit will say so.
    if connection.is_autocommit() {
        return Ok(outcome);
    }
    if outcome.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
    Ok(outcome)
}

/// Answers who waits for the connection to be closed, when it was asked for.
fn run(
    connection: &Connection,
    path: &Path,
    mut queue: mpsc::Receiver<Turn>,
    mut recorder: Option<Recorder>,
) -> Option<oneshot::Sender<()>> {
    let mut next = None;
    let mut closed = None;
    while let Some(turn) = next.take().or_else(|| queue.blocking_recv()) {
        let first = match turn {
            Turn::Job(first) => first,
            Turn::Apart(work) => {
                work(connection, recorder.as_mut());
                checkpoint(connection, recorder.as_mut());
                continue;
            }
            Turn::Last(asked) => {
                closed = Some(asked);
                break;
            }
        };
        let (answers, outcome) = match begin(connection) {
            Ok(()) => {
                let (answers, left_over) = run_group(connection, first, &mut queue);
                next = left_over;
                crash_point("sqlite-before-commit", path);
                let outcome = recorded_commit(connection, recorder.as_mut());
                crash_point("sqlite-committed", path);
                (answers, outcome)
            }
            Err(failed) => ((first.work)(Err(copy(&failed))).into_iter().collect(), Err(failed)),
        };
        if let Err(failed) = &outcome {
            tracing::error!(error = %failed, jobs = answers.len(), "a group of writes could not be committed");
        }
        for answer in answers {
            answer(outcome.as_ref().map(|&()| ()).map_err(copy));
        }
        checkpoint(connection, recorder.as_mut());
    }
    if let Some(recorder) = recorder {
        recorder.finish(connection);
    }
    closed
}

fn checkpoint(connection: &Connection, recorder: Option<&mut Recorder>) {
    if let Some(recorder) = recorder {
        recorder.checkpoint_if_due(connection);
    }
}

fn recorded_commit(connection: &Connection, recorder: Option<&mut Recorder>) -> Result<(), rusqlite::Error> {
    let Some(recorder) = recorder else { return commit(connection) };
    recorder.before_commit();
    let outcome = commit(connection);
    recorder.after_commit(0);
    outcome
}

fn begin(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

/// Runs `first` and what may join it. Also returns the job that was taken from the queue and must not join.
fn run_group(
    connection: &Connection,
    first: Job,
    queue: &mut mpsc::Receiver<Turn>,
) -> (Vec<Answer>, Option<Turn>) {
    let started = Instant::now();
    let alone = first.company == Company::Nobody;
    let mut answers: Vec<Answer> = (first.work)(Ok(connection)).into_iter().collect();
    let mut jobs = 1;
    while !alone && jobs < GROUP && !connection.is_autocommit() && started.elapsed() < GROUP_TIME {
        match queue.try_recv() {
            Ok(Turn::Job(job)) if job.company == Company::Others => {
                answers.extend((job.work)(Ok(connection)));
            }
            Ok(other) => return (answers, Some(other)),
            Err(_) => break,
        }
        jobs += 1;
    }
    (answers, None)
}

fn commit(connection: &Connection) -> Result<(), rusqlite::Error> {
    if connection.is_autocommit() {
        // SQLite rolled back on its own: nothing of the group is there, and nobody may be told otherwise.
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
            Some("the transaction was rolled back: the disk is full or failing".to_owned()),
        ));
    }
    let committed = connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([]));
    if let Err(failed) = committed {
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        return Err(failed);
    }
    Ok(())
}

/// The same verdict for another caller; `rusqlite::Error` cannot be cloned.
fn copy(failed: &rusqlite::Error) -> Error {
    let (code, text) = match failed {
        rusqlite::Error::SqliteFailure(code, text) => (*code, text.clone()),
        other => (rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR), Some(other.to_string())),
    };
    Error::Sqlite(rusqlite::Error::SqliteFailure(code, text))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    fn writer(directory: &tempfile::TempDir) -> Arc<Writer> {
        let path = directory.path().join("db");
        #[expect(clippy::disallowed_methods, reason = "a bare connection is what the writer takes")]
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (n INTEGER PRIMARY KEY)").unwrap();
        Arc::new(Writer::start(connection, &path, 64, None))
    }

    async fn insert(writer: &Writer, n: i64) -> Result<usize, WriteError<rusqlite::Error>> {
        writer.write(move |c| c.execute("INSERT INTO t VALUES (?1)", [n])).await
    }

    async fn rows(writer: &Writer) -> i64 {
        let count = |c: &Connection| c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
        writer.write(count).await.unwrap()
    }

    #[tokio::test]
    async fn a_job_that_fails_undoes_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        // Hold the writer so that all three meet in one group.
        let gate = Arc::new(Barrier::new(2));
        let held = {
            let (writer, gate) = (Arc::clone(&writer), Arc::clone(&gate));
            tokio::spawn(async move {
                writer
                    .write(move |_| -> Result<(), ()> {
                        gate.wait();
                        Ok(())
                    })
                    .await
            })
        };
        let twice = |n: i64| {
            move |c: &Connection| {
                c.execute("INSERT INTO t VALUES (?1)", [n + 100])?;
                c.execute("INSERT INTO t VALUES (?1)", [n])
            }
        };
        let jobs = [1, 1, 2].map(|n| {
            let writer = Arc::clone(&writer);
            tokio::spawn(async move { writer.write(twice(n)).await })
        });
        tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
        held.await.unwrap().unwrap();
        let mut failed = 0;
        for job in jobs {
            failed += usize::from(matches!(job.await.unwrap(), Err(WriteError::Job(_))));
        }
        assert_eq!(failed, 1, "one of the two that insert the same key");
        assert_eq!(rows(&writer).await, 4);
    }

    #[tokio::test]
    async fn a_transaction_that_cannot_start_is_answered_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        #[expect(clippy::disallowed_methods, reason = "a neighbour that holds the lock")]
        let other = Connection::open(directory.path().join("db")).unwrap();
        writer.write(|c| c.busy_timeout(Duration::from_millis(1))).await.unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = insert(&writer, 1).await;
        assert!(matches!(refused, Err(WriteError::Database(Error::Sqlite(_)))), "{refused:?}");
        other.execute_batch("ROLLBACK").unwrap();
        insert(&writer, 1).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_accepted_is_finished_when_the_writer_goes() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        insert(&writer, 7).await.unwrap();
        drop(writer);
        #[expect(clippy::disallowed_methods, reason = "looks at the file from outside")]
        let other = Connection::open(directory.path().join("db")).unwrap();
        assert_eq!(other.query_row("SELECT n FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
    }
}
