use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::{SharedClock, path_component};
use tokio::sync::Mutex;

use crate::{Bucket, Limits, Result};

/// A directory of buckets: `<bucket>.sqlite` and `<bucket>/blobs/` for each. It is opened once at a time.
#[derive(Clone)]
pub struct Store {
    directory: Arc<Path>,
    clock: SharedClock,
    limits: Limits,
    buckets: Arc<Mutex<HashMap<String, Bucket>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `directory`, creating it when missing.
    pub fn open(directory: &Path, clock: SharedClock, limits: Limits) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.into(), clock, limits, buckets: Arc::default() })
    }

    /// The bucket of that name, created when it is not there yet. Asking again gives the same one.
    ///
    /// Opening a bucket looks at every file it has, to remove those that a crash left without an object.
    pub async fn bucket(&self, name: &str) -> Result<Bucket> {
        let mut buckets = self.buckets.lock().await;
        if let Some(open) = buckets.get(name) {
            return Ok(open.clone());
        }
        let component = path_component(name);
        let database = self.directory.join(format!("{component}.sqlite"));
        let blobs: PathBuf = self.directory.join(component).join("blobs");
        let bucket = Bucket::open(database, blobs, Arc::clone(&self.clock), self.limits).await?;
        buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}
