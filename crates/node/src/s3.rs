//! `selvedge s3`: the buckets of a data directory as an S3 endpoint, without a project and without workerd.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use selvedge_base::SharedClock;
use selvedge_catalog::AccessKey;
use selvedge_s3::{BindError, Endpoint, Settings};

use crate::data::{DataDirectory, DataError};
use crate::storage::{Storage, StorageError};

#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// An endpoint that listens, and the data directory under it.
pub struct S3 {
    endpoint: Endpoint,
    key: AccessKey,
    data: PathBuf,
    // In this order: the engines close before the directory is given up.
    _storage: Storage,
    _directory: DataDirectory,
}

impl S3 {
    /// Takes `data`, making it when it is missing, and the port.
    pub async fn open(
        data: &Path,
        temporary: &Path,
        settings: Settings,
        clock: &SharedClock,
    ) -> Result<Self, S3Error> {
        let directory = DataDirectory::take(data, temporary, &**clock).await?;
        let storage = Storage::open(directory.path(), directory.run(), clock, None)?;
        let (endpoint, key) = storage.s3_endpoint(settings, clock).await?;
        let data = directory.path().to_owned();
        Ok(Self { endpoint, key, data, _storage: storage, _directory: directory })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.endpoint.local_addr()
    }

    /// The key that may do everything.
    pub fn key(&self) -> &AccessKey {
        &self.key
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Serves until `shutdown` resolves, and then lets requests in progress end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.endpoint.serve(shutdown).await;
    }
}

impl Storage {
    /// An endpoint on these buckets, and a key for all of it.
    pub(crate) async fn s3_endpoint(
        &self,
        settings: Settings,
        clock: &SharedClock,
    ) -> Result<(Endpoint, AccessKey), S3Error> {
        let keys = self.catalog.access_keys();
        let key = selvedge_s3::first_key(keys, &**clock).await.map_err(StorageError::from)?;
        let store = selvedge_r2::Store::clone(&self.r2);
        let endpoint = Endpoint::bind(settings, store, self.catalog.clone(), clock.clone()).await?;
        Ok((endpoint, key))
    }
}
