//! Takes back space: the rows of expired keys, and the value files that no row needs.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use selvedge_base::crash_point;
use selvedge_blob::BlobId;
use selvedge_sqlite::{Returned, give_back_pages};
use tokio::sync::Notify;

use crate::namespace::Inner;
use crate::{Error, Result, schema};

/// Rows or files removed in one step.
const STEP: u32 = 200;
/// Pages given back to the file system in one step.
const PAGES: u32 = 200;
/// After a step that left work to do, the janitor rests this many times as long as the step took: it takes
/// a fifth of the writer's time at most, on any machine.
const REST: u32 = 4;
/// How long expired keys may lie around on disk. Nobody sees them.
const ROUND: Duration = Duration::from_secs(5);

/// Works until the namespace is closed.
pub(crate) async fn run(namespace: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let pause = {
            let Some(namespace) = namespace.upgrade() else { return };
            let started = Instant::now();
            match clean_up(&namespace).await {
                Ok(true) => Some(started.elapsed() * REST),
                Ok(false) => None,
                Err(Error::Deleted) => return,
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, source, "space could not be taken back; it will be tried again");
                    None
                }
            }
        };
        match pause {
            Some(rest) => tokio::time::sleep(rest).await,
            None => {
                // Either way there is a round to make.
                let _ = tokio::time::timeout(ROUND, wake.notified()).await;
            }
        }
    }
}

/// One step. Answers whether it left work to do.
pub(crate) async fn clean_up(namespace: &Inner) -> Result<bool> {
    let now = i64::try_from(namespace.now()).unwrap_or(i64::MAX);
    let database = namespace.database()?;
    let expired = database.write(move |c| schema::delete_expired(c, now, STEP)).await?;
    let garbage = database.read(|c| schema::garbage(c, STEP)).await??;
    for blob in garbage.iter().filter_map(|text| BlobId::parse(text)) {
        namespace.blobs.delete(&blob).await.map_err(Error::ValueFile)?;
        crash_point("kv-garbage-removed", namespace.blobs.root());
    }
    let mut more = expired == STEP as usize || garbage.len() == STEP as usize;
    if !garbage.is_empty() {
        database.write(move |c| schema::forget_garbage(c, &garbage)).await?;
    }
    if !more {
        // Only then are there no more pages to come free, and none of them is moved twice.
        match database.write(|c| give_back_pages(c, PAGES)).await? {
            Returned::Nothing => {}
            Returned::Some => more = true,
            // The file becomes shorter when the log is moved into it.
            Returned::Last => database.checkpoint().await?,
        }
    }
    Ok(more)
}
