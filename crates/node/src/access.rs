//! How a tool gets at a data directory: through the node that has it, or by itself.

use std::path::Path;
use std::sync::Arc;

use selvedge_api::Client;
use selvedge_base::SharedClock;

use crate::data::{DataDirectory, DataError};
use crate::storage::{API_SOCKET, Storage, StorageError};

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("there is no data directory at {}: name one with --persist-to, or run `selvedge dev` first", path.display())]
    Missing { path: std::path::PathBuf },
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A data directory that can be worked on through [`Access::client`], until this is dropped.
pub struct Access {
    client: Client,
    // In this order: the engines close before the directory is given up.
    _storage: Option<Storage>,
    _data: Option<DataDirectory>,
}

impl Access {
    /// Connects to the node that runs on `data`. When there is none, takes the directory and opens the engines
    /// here; `create` makes one that is missing.
    pub async fn open(
        data: &Path,
        temporary: &Path,
        clock: &SharedClock,
        create: bool,
    ) -> Result<Self, AccessError> {
        if !create && !data.is_dir() {
            return Err(AccessError::Missing { path: data.to_owned() });
        }
        match DataDirectory::take(data, temporary, &**clock).await {
            Ok(directory) => {
                let storage = Storage::open(directory.path(), directory.run(), clock, None)?;
                let client = Client::in_process(Arc::clone(&storage.api));
                Ok(Self { client, _storage: Some(storage), _data: Some(directory) })
            }
            Err(DataError::InUse { run: Some(run), .. }) if run.join(API_SOCKET).exists() => {
                Ok(Self { client: Client::socket(&run.join(API_SOCKET)), _storage: None, _data: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }
}
