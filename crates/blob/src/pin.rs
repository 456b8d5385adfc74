use std::fs::File;
use std::io;
use std::path::PathBuf;

use selvedge_base::random_hex;
use tokio::task::spawn_blocking;

use crate::{BlobId, SealedFile, Store};

/// Keeps the bytes of a blob while it exists, even when the blob is deleted. It does not outlive the process.
#[derive(Debug)]
pub struct Pin {
    id: BlobId,
    /// A second name of the file, among those that the next start removes.
    path: PathBuf,
}

impl Store {
    /// Pins a blob. Costs a directory entry, no bytes and no fsync.
    pub async fn pin(&self, id: &BlobId) -> io::Result<Pin> {
        let (from, id) = (self.path(id), id.clone());
        let path = self.root.join("tmp").join(format!("pin-{}", random_hex(&*self.clock, 16)));
        // The pin is made over there: a caller that goes away meanwhile leaves no file.
        spawn_blocking(move || std::fs::hard_link(from, &path).map(|()| Pin { id, path })).await?
    }
}

impl Pin {
    /// The blob that it keeps.
    pub fn id(&self) -> &BlobId {
        &self.id
    }

    /// As [`Store::open_file`].
    pub fn open_file(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// As [`Store::open_sealed`].
    pub fn open_sealed(&self, length: u64) -> io::Result<SealedFile> {
        SealedFile::new(self.open_file()?, self.id.clone(), length)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // An error here leaves a file that the next start removes.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use selvedge_base::SystemClock;

    use super::*;

    #[tokio::test]
    async fn pinned_bytes_outlive_the_blob_but_not_the_pin() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), SystemClock::shared()).unwrap();
        let mut writer = store.create().await.unwrap();
        writer.write(b"bytes").await.unwrap();
        let id = writer.finish().await.unwrap();
        let (pin, other) = (store.pin(&id).await.unwrap(), store.pin(&id).await.unwrap());
        store.delete(&id).await.unwrap();
        assert_eq!(store.pin(&id).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(other);
        let mut read = String::new();
        pin.open_file().unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "bytes");
        let temporary = || std::fs::read_dir(directory.path().join("tmp")).unwrap().count();
        assert_eq!(temporary(), 1);
        drop(pin);
        assert_eq!(temporary(), 0);
    }
}
