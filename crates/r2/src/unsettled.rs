//! Files that are on disk, or soon will be, and whose row is still to be written.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use selvedge_blob::BlobId;

/// Who asks whether a file is an orphan has to ask here first and look for its row afterwards: a file leaves
/// only after its row was committed, or when there will be none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsettled(Arc<Mutex<HashSet<BlobId>>>);

impl Unsettled {
    pub(crate) fn guard(&self, id: &BlobId) -> Guard {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Guard { of: self.clone(), id: id.clone() }
    }

    pub(crate) fn has(&self, id: &BlobId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

/// Keeps a file unsettled until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    of: Unsettled,
    id: BlobId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
