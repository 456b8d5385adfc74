//! The access keys of the S3 endpoint.
//!
//! A signature can only be checked with the secret itself, so secrets are kept as they are: the catalog's file is
//! readable by its owner alone. The keys are few and asked for by every request, so they are in memory too.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use selvedge_base::Millis;
use selvedge_sqlite::rusqlite::{self, Connection, params};
use selvedge_sqlite::{Database, Result};
use tokio::sync::OnceCell;

use crate::catalog::flatten;

/// What a key may do, in R2's four classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Everything: buckets and their configuration, and objects.
    AdminReadWrite,
    /// Sees everything and changes nothing.
    AdminReadOnly,
    /// Reads, writes and lists objects.
    ObjectReadWrite,
    /// Reads and lists objects.
    ObjectReadOnly,
}

impl Permission {
    /// The word that R2's API has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdminReadWrite => "admin-read-write",
            Self::AdminReadOnly => "admin-read-only",
            Self::ObjectReadWrite => "object-read-write",
            Self::ObjectReadOnly => "object-read-only",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::AdminReadWrite, Self::AdminReadOnly, Self::ObjectReadWrite, Self::ObjectReadOnly]
            .into_iter()
            .find(|permission| permission.as_str() == word)
    }

    /// Whether buckets and their configuration are its business.
    pub fn is_admin(self) -> bool {
        matches!(self, Self::AdminReadWrite | Self::AdminReadOnly)
    }

    pub fn may_write(self) -> bool {
        matches!(self, Self::AdminReadWrite | Self::ObjectReadWrite)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Sent with every request.
    pub id: String,
    /// Signs every request, and is never sent.
    pub secret: String,
    /// What people call it.
    pub name: String,
    pub permission: Permission,
    /// The only buckets it is good for; `None` for all there are and will be.
    pub buckets: Option<Vec<String>>,
    pub created: Millis,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("permission", &self.permission)
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}

/// The access keys of a data directory. Clones share them.
#[derive(Clone, Debug)]
pub struct AccessKeys {
    database: Database,
    /// Read at the first question.
    known: Arc<OnceCell<Known>>,
}

type Known = RwLock<HashMap<String, Arc<AccessKey>>>;

impl AccessKeys {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, known: Arc::default() }
    }

    pub async fn get(&self, id: &str) -> Result<Option<Arc<AccessKey>>> {
        let known = self.known().await?;
        Ok(known.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }

    /// All of them, the oldest first.
    pub async fn list(&self) -> Result<Vec<Arc<AccessKey>>> {
        let known = self.known().await?;
        let mut keys: Vec<_> =
            known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        keys.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(keys)
    }

    async fn known(&self) -> Result<&Known> {
        let load = || async {
            let keys = self.database.read(load).await??;
            Ok(RwLock::new(keys.into_iter().map(|key| (key.id.clone(), Arc::new(key))).collect()))
        };
        self.known.get_or_try_init(load).await
    }

    /// Adds a key, over the one of the same id if there is one. It works when this answers.
    pub async fn insert(&self, key: AccessKey) -> Result<()> {
        let known = self.known().await?;
        let row = key.clone();
        let written = self.database.write(move |connection| {
            let buckets = row.buckets.map(|buckets| buckets.join("\n"));
            let created = i64::try_from(row.created.0).unwrap_or(i64::MAX);
            connection
                .prepare_cached("INSERT OR REPLACE INTO access_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![row.id, row.secret, row.name, row.permission.as_str(), buckets, created])
                .map(drop)
        });
        written.await.map_err(flatten)?;
        known.write().unwrap_or_else(PoisonError::into_inner).insert(key.id.clone(), Arc::new(key));
        Ok(())
    }

    /// Takes a key back. It works no more when this answers. False when there was none.
    pub async fn remove(&self, id: &str) -> Result<bool> {
        let known = self.known().await?;
        let known = known.write().unwrap_or_else(PoisonError::into_inner).remove(id).is_some();
        let id = id.to_owned();
        let removed = self.database.write(move |connection| {
            connection.execute("DELETE FROM access_keys WHERE id = ?1", [id]).map(|count| count > 0)
        });
        Ok(removed.await.map_err(flatten)? || known)
    }
}

pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Vec<AccessKey>> {
    let mut statement =
        connection.prepare("SELECT id, secret, name, permission, buckets, created FROM access_keys")?;
    let rows = statement.query_map([], |row| {
        let permission: String = row.get(3)?;
        let buckets: Option<String> = row.get(4)?;
        Ok(AccessKey {
            id: row.get(0)?,
            secret: row.get(1)?,
            name: row.get(2)?,
            // A word from a newer Selvedge: the least there is.
            permission: Permission::parse(&permission).unwrap_or(Permission::ObjectReadOnly),
            buckets: buckets.map(|names| names.lines().map(str::to_owned).collect()),
            created: Millis(u64::try_from(row.get::<_, i64>(5)?).unwrap_or_default()),
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Catalog;

    fn key(id: &str, buckets: Option<&[&str]>) -> AccessKey {
        AccessKey {
            id: id.to_owned(),
            secret: "hush".to_owned(),
            name: "ci".to_owned(),
            permission: Permission::ObjectReadWrite,
            buckets: buckets.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            created: Millis(5),
        }
    }

    #[tokio::test]
    async fn keys_stay_until_they_are_taken_back_and_only_the_owner_can_read_them() {
        let data = tempfile::tempdir().unwrap();
        let keys = Catalog::open(data.path()).unwrap().access_keys().clone();
        keys.insert(key("a", None)).await.unwrap();
        keys.insert(key("b", Some(&["one", "two"]))).await.unwrap();
        keys.insert(key("c", None)).await.unwrap();
        assert!(keys.remove("c").await.unwrap());
        assert!(!keys.remove("c").await.unwrap());
        assert_eq!(keys.get("c").await.unwrap(), None);
        for entry in std::fs::read_dir(data.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
        }
        drop(keys);
        let keys = Catalog::open(data.path()).unwrap().access_keys().clone();
        let all: Vec<_> = keys.list().await.unwrap().into_iter().map(|key| (*key).clone()).collect();
        assert_eq!(all, [key("a", None), key("b", Some(&["one", "two"]))]);
        assert!(!format!("{:?}", keys.get("a").await).contains("hush"));
    }
}
