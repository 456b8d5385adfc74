use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::{Millis, SharedClock, from_path_component, path_component, random_hex};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::features::settings::BucketOptions;
use crate::limits::PAGE;
use crate::{Bucket, Error, Limits, Result};

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

/// A page of the buckets there are.
#[derive(Clone, Debug, Default)]
pub struct ListBuckets {
    /// 1 to 1,000. `None` means 1,000.
    pub limit: Option<usize>,
    pub prefix: String,
    /// Only those behind this one.
    pub start_after: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// In the order of their names.
    pub buckets: Vec<BucketInfo>,
    pub truncated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    pub name: String,
    pub created: Millis,
    pub options: BucketOptions,
}

/// Where what is left of deleted buckets goes until it is removed. No bucket's own name begins with a dot.
const DELETED: &str = ".deleted";

impl Store {
    /// Opens `directory`, creating it when missing, and removes what is left of deleted buckets.
    pub fn open(directory: &Path, clock: SharedClock, limits: Limits) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        match std::fs::remove_dir_all(directory.join(DELETED)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        Ok(Self { directory: directory.into(), clock, limits, buckets: Arc::default() })
    }

    /// The bucket of that name, created when it is not there yet. Asking again gives the same one.
    ///
    /// Opening a bucket looks at every file it has, to remove those that a crash left without an object.
    pub async fn bucket(&self, name: &str) -> Result<Bucket> {
        let mut buckets = self.buckets.lock().await;
        self.open_in(&mut buckets, name, &BucketOptions::default()).await
    }

    /// Creates a bucket. Its name has 3 to 63 of `a` to `z`, `0` to `9` and `-`, and begins and ends with none of
    /// these last. Refused with [`Error::BucketConflict`] when there is one of that name.
    pub async fn create_bucket(&self, name: &str, options: &BucketOptions) -> Result<Bucket> {
        if !is_bucket_name(name) {
            return Err(Error::InvalidBucketName);
        }
        let mut buckets = self.buckets.lock().await;
        if buckets.contains_key(name) || self.exists(name).await? {
            return Err(Error::BucketConflict);
        }
        self.open_in(&mut buckets, name, options).await
    }

    /// The bucket of that name, or [`Error::NoSuchBucket`].
    pub async fn existing_bucket(&self, name: &str) -> Result<Bucket> {
        let mut buckets = self.buckets.lock().await;
        if let Some(open) = buckets.get(name) {
            return Ok(open.clone());
        }
        if !self.exists(name).await? {
            return Err(Error::NoSuchBucket);
        }
        self.open_in(&mut buckets, name, &BucketOptions::default()).await
    }

    /// Removes a bucket without objects, or refuses with [`Error::BucketNotEmpty`]. Uploads that are not complete
    /// go with it.
    pub async fn delete_bucket(&self, name: &str) -> Result<()> {
        let mut buckets = self.buckets.lock().await;
        if !buckets.contains_key(name) && !self.exists(name).await? {
            return Err(Error::NoSuchBucket);
        }
        let bucket = self.open_in(&mut buckets, name, &BucketOptions::default()).await?;
        bucket.close_empty().await?;
        buckets.remove(name);
        let (database, files) = self.places(name);
        let deleted = self.directory.join(DELETED).join(random_hex(&*self.clock, 8));
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            std::fs::create_dir_all(&deleted)?;
            // This is what deletes it. The files follow, and are nobody's if they do not.
            std::fs::rename(&database, deleted.join("bucket.sqlite"))?;
            std::fs::File::open(&directory)?.sync_all()?;
            selvedge_base::crash_point("r2-bucket-deleted", &database);
            match std::fs::rename(&files, deleted.join("files")) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
            if let Err(error) = std::fs::remove_dir_all(&deleted) {
                tracing::warn!(%error, "what is left of a deleted bucket stays until the next start");
            }
            Ok(())
        })
        .await
    }

    /// What there is to know of a bucket without looking into it.
    pub async fn bucket_info(&self, name: &str) -> Result<BucketInfo> {
        let bucket = self.existing_bucket(name).await?;
        Ok(BucketInfo { name: name.to_owned(), created: bucket.created(), options: bucket.options() })
    }

    /// One page of the buckets there are.
    pub async fn list_buckets(&self, options: &ListBuckets) -> Result<Buckets> {
        let limit = options.limit.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&limit) {
            return Err(Error::InvalidMaxKeys);
        }
        let directory = Arc::clone(&self.directory);
        let names = blocking(move || names(&directory)).await?;
        let wanted = names.into_iter().filter(|name| {
            name.starts_with(&options.prefix) && options.start_after.as_ref().is_none_or(|after| name > after)
        });
        let mut page = Buckets::default();
        for name in wanted {
            if page.buckets.len() == limit {
                page.truncated = true;
                break;
            }
            match self.bucket_info(&name).await {
                Ok(info) => page.buckets.push(info),
                // Deleted since the names were read.
                Err(Error::NoSuchBucket) => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(page)
    }

    async fn open_in(
        &self,
        buckets: &mut HashMap<String, Bucket>,
        name: &str,
        options: &BucketOptions,
    ) -> Result<Bucket> {
        if let Some(open) = buckets.get(name) {
            return Ok(open.clone());
        }
        let (database, files) = self.places(name);
        let place = crate::bucket::Place { name: name.to_owned(), database, blobs: files.join("blobs") };
        let bucket = Bucket::open(place, options, Arc::clone(&self.clock), self.limits).await?;
        buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        let (database, _) = self.places(name);
        blocking(move || Ok(database.try_exists()?)).await
    }

    /// The database of a bucket, and the directory of its files.
    fn places(&self, name: &str) -> (PathBuf, PathBuf) {
        let component = path_component(name);
        (self.directory.join(format!("{component}.sqlite")), self.directory.join(component))
    }
}

fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.file_name();
        let component = file.to_str().and_then(|name| name.strip_suffix(".sqlite"));
        names.extend(component.and_then(from_path_component));
    }
    Ok(names)
}

/// Whether Cloudflare takes it as the name of a bucket.
fn is_bucket_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

async fn blocking<T: Send + 'static>(job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(job).await.map_err(|_| Error::Stopping)?
}
