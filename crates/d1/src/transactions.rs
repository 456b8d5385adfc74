//! The transactions that clients hold open, each by a name that its calls carry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use selvedge_base::{Clock, random_hex};

use crate::{Database, Format, Outcome, QueryError, Statement, Transaction};

/// Open at once, those included that wait for their turn.
const OPEN: usize = 64;
/// How long one that is over is remembered, so that a late call is told why.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The open transactions of a store. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    all: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    database: String,
    /// It is over by then, whatever happens; none while it waits for its turn.
    until: Option<Instant>,
    /// One call at a time.
    transaction: Arc<tokio::sync::Mutex<Option<Transaction>>>,
}

/// Removes what did not come to be, also when the caller has gone away.
struct Beginning<'a> {
    transactions: &'a Transactions,
    id: Option<String>,
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.transactions.all().remove(&id);
        }
    }
}

impl Transactions {
    /// Begins one on `database`, which is called `name`, and returns how it is called from now on.
    pub async fn begin(
        &self,
        name: &str,
        database: &Database,
        time: Duration,
        idle: Duration,
        clock: &dyn Clock,
    ) -> Result<String, QueryError> {
        let id = random_hex(clock, 16);
        let slot = Arc::default();
        {
            let mut all = self.all();
            let now = Instant::now();
            all.retain(|_, entry| entry.until.is_none_or(|until| until + REMEMBERED > now));
            if all.values().filter(|entry| entry.until.is_none_or(|until| until > now)).count() >= OPEN {
                return Err(QueryError::TooManyTransactions);
            }
            let transaction = Arc::clone(&slot);
            all.insert(id.clone(), Entry { database: name.to_owned(), until: None, transaction });
        }
        let mut beginning = Beginning { transactions: self, id: Some(id) };
        let transaction = database.transaction_within(time, idle).await?;
        *slot.lock().await = Some(transaction);
        let Some(id) = beginning.id.take() else { return Err(QueryError::TransactionOver) };
        if let Some(entry) = self.all().get_mut(&id) {
            entry.until = Some(Instant::now() + time);
        }
        Ok(id)
    }

    /// Runs `statements` in one of them: all, or, when one fails, none.
    pub async fn query(
        &self,
        name: &str,
        id: &str,
        statements: Vec<Statement>,
        format: Format,
    ) -> Result<Vec<Outcome>, QueryError> {
        let slot = self.find(name, id)?;
        let mut slot = slot.lock().await;
        slot.as_mut().ok_or(QueryError::NoSuchTransaction)?.query(statements, format).await
    }

    /// Ends one. An `Ok` means that what it did is on the disk.
    pub async fn commit(&self, name: &str, id: &str) -> Result<(), QueryError> {
        self.take(name, id).await?.commit().await
    }

    /// Ends one as if it had never begun.
    pub async fn rollback(&self, name: &str, id: &str) -> Result<(), QueryError> {
        self.take(name, id).await?.rollback().await;
        Ok(())
    }

    async fn take(&self, name: &str, id: &str) -> Result<Transaction, QueryError> {
        let slot = self.find(name, id)?;
        let taken = slot.lock().await.take();
        self.all().remove(id);
        taken.ok_or(QueryError::NoSuchTransaction)
    }

    fn find(&self, name: &str, id: &str) -> Result<Arc<tokio::sync::Mutex<Option<Transaction>>>, QueryError> {
        let all = self.all();
        let entry = all.get(id).filter(|entry| entry.database == name && entry.until.is_some());
        entry.map(|entry| Arc::clone(&entry.transaction)).ok_or(QueryError::NoSuchTransaction)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
