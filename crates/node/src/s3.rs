//! `selvedge s3`: the buckets of a data directory as an S3 endpoint, without a project and without workerd.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use selvedge_base::SharedClock;
use selvedge_catalog::AccessKey;
use selvedge_s3::{BindError, Endpoint, Settings};

use crate::data::{DataDirectory, DataError};
use crate::report::Notice;
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
    door: S3Door,
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
        let door = storage.s3_door(settings, clock).await?;
        let data = directory.path().to_owned();
        Ok(Self { door, data, _storage: storage, _directory: directory })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.door.endpoint.local_addr()
    }

    /// The key that may do everything.
    pub fn key(&self) -> &AccessKey {
        &self.door.key
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Serves until `shutdown` resolves, and then lets requests in progress end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        self.door.endpoint.serve(shutdown).await;
    }
}

/// An endpoint on the buckets of a node, and a key for all of it.
pub(crate) struct S3Door {
    endpoint: Endpoint,
    key: AccessKey,
}

impl S3Door {
    pub(crate) fn notice(&self) -> Notice {
        Notice::S3 {
            url: format!("http://{}", self.endpoint.local_addr()),
            access_key_id: self.key.id.clone(),
            secret_access_key: self.key.secret.clone(),
        }
    }

    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()>) {
        self.endpoint.serve(shutdown).await;
    }
}

impl Storage {
    pub(crate) async fn s3_door(&self, settings: Settings, clock: &SharedClock) -> Result<S3Door, S3Error> {
        let keys = self.catalog.access_keys();
        let key = selvedge_s3::first_key(keys, &**clock).await.map_err(StorageError::from)?;
        let store = selvedge_r2::Store::clone(&self.r2);
        let endpoint = Endpoint::bind(settings, store, self.catalog.clone(), clock.clone()).await?;
        Ok(S3Door { endpoint, key })
    }
}
