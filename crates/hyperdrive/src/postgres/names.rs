//! What one client calls its prepared statements.

use std::collections::HashMap;
use std::sync::Arc;

use super::sql::Effects;
use super::statements::Statement;

/// The statement without a name.
#[derive(Debug, Default)]
pub(super) enum Unnamed {
    #[default]
    None,
    /// It can be prepared again on another connection.
    Kept { body: Box<[u8]>, effects: Effects },
    /// Too long to be kept: it is gone with the connection it was prepared on.
    NotKept,
}

type ByName = HashMap<Box<[u8]>, Arc<Statement>>;

#[derive(Debug, Default)]
pub(super) struct Names {
    /// Most clients have none.
    named: Option<Box<ByName>>,
    pub(super) unnamed: Unnamed,
    /// The unnamed statement of the connection in use is this client's.
    pub(super) unnamed_is_here: bool,
}

impl Names {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        self.named.as_ref()?.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.named.as_ref().map_or(0, |named| named.len())
    }

    pub(super) fn insert(&mut self, name: Box<[u8]>, statement: Arc<Statement>) {
        self.named.get_or_insert_default().insert(name, statement);
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<Statement>> {
        self.named.as_mut()?.remove(name)
    }

    /// Takes back an insertion that the origin refused, unless the name means something else by now.
    pub(super) fn undo(&mut self, name: &[u8], statement: &Arc<Statement>) {
        if self.get(name).is_some_and(|known| Arc::ptr_eq(known, statement)) {
            self.remove(name);
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.named = None;
        self.forget_unnamed();
    }

    pub(super) fn forget_unnamed(&mut self) {
        self.unnamed = Unnamed::None;
    }
}
