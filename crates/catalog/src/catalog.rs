use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use selvedge_objects::ObjectClass;
use selvedge_sqlite::rusqlite::{self, params};
use selvedge_sqlite::{Database, Error, Options, Result, Schema, WriteError};

use crate::keys::AccessKeys;

static SCHEMA: Schema = Schema {
    kind: "catalog",
    application_id: 0x5345_4c43,
    steps: &[
        "
        CREATE TABLE object_classes (
            worker     TEXT NOT NULL,
            class      TEXT NOT NULL,
            unique_key TEXT NOT NULL UNIQUE,
            sqlite     INTEGER NOT NULL,
            PRIMARY KEY (worker, class)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE resources (
            kind TEXT NOT NULL,
            id   TEXT NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (kind, id)
        ) STRICT, WITHOUT ROWID;
    ",
        "
        CREATE TABLE access_keys (
            id         TEXT NOT NULL PRIMARY KEY,
            secret     TEXT NOT NULL,
            name       TEXT NOT NULL,
            permission TEXT NOT NULL,
            buckets    TEXT,                -- one a line; NULL for all
            created    INTEGER NOT NULL     -- milliseconds
        ) STRICT, WITHOUT ROWID;
    ",
    ],
};

/// What a resource is; the word is how the catalog spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    Kv,
    D1,
    R2,
}

impl ResourceKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::D1 => "d1",
            Self::R2 => "r2",
        }
    }
}

/// The open catalog.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: Database,
    access_keys: AccessKeys,
}

impl Catalog {
    /// Opens `catalog.sqlite` in the data directory. [`Error::NewerFormat`] when a newer Selvedge wrote it.
    pub fn open(data: &Path) -> Result<Self> {
        let path = data.join("catalog.sqlite");
        keep_private(&path).map_err(|source| Error::Private { path: path.clone(), source })?;
        let options = Options { readers: 1, ..Options::new(&SCHEMA) };
        let database = Database::open(&path, options)?;
        let access_keys = AccessKeys::new(database.clone());
        Ok(Self { database, access_keys })
    }

    /// Who may use the S3 endpoint.
    pub fn access_keys(&self) -> &AccessKeys {
        &self.access_keys
    }

    /// The classes of `worker` that have storage, as they were last settled.
    pub async fn object_classes(&self, worker: &str) -> Result<Vec<ObjectClass>> {
        let found = self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT class, unique_key, sqlite FROM object_classes WHERE worker = ?1 ORDER BY class",
            )?;
            let rows = statement.query_map([worker], |row| {
                Ok(ObjectClass { class: row.get(0)?, unique_key: row.get(1)?, sqlite: row.get(2)? })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(found.await??)
    }

    /// Replaces what is known of the classes of `worker`.
    pub async fn settle_object_classes(&self, worker: &str, classes: Vec<ObjectClass>) -> Result<()> {
        let worker = worker.to_owned();
        let written = self.database.write(move |connection| {
            connection.execute("DELETE FROM object_classes WHERE worker = ?1", [&worker])?;
            let mut insert =
                connection.prepare_cached("INSERT INTO object_classes VALUES (?1, ?2, ?3, ?4)")?;
            for class in &classes {
                insert.execute(params![worker, class.class, class.unique_key, class.sqlite])?;
            }
            Ok(())
        });
        written.await.map_err(flatten)
    }

    /// Remembers the name that people know a resource by.
    pub async fn name_resource(&self, kind: ResourceKind, id: &str, name: &str) -> Result<()> {
        if self.resource_name(kind, id).await?.as_deref() == Some(name) {
            return Ok(());
        }
        let (id, name) = (id.to_owned(), name.to_owned());
        let written = self.database.write(move |connection| {
            let insert =
                "INSERT INTO resources VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET name = excluded.name";
            connection.execute(insert, params![kind.as_str(), id, name]).map(drop)
        });
        written.await.map_err(flatten)
    }

    /// The ids and names of all resources of one kind, by name.
    pub async fn resources(&self, kind: ResourceKind) -> Result<Vec<(String, String)>> {
        let found = self.database.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id, name FROM resources WHERE kind = ?1 ORDER BY name, id")?;
            let rows = statement.query_map([kind.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        Ok(found.await??)
    }

    /// Forgets a resource. Its data is the business of its engine.
    pub async fn forget_resource(&self, kind: ResourceKind, id: &str) -> Result<()> {
        let id = id.to_owned();
        let written = self.database.write(move |connection| {
            let delete = "DELETE FROM resources WHERE kind = ?1 AND id = ?2";
            connection.execute(delete, params![kind.as_str(), id]).map(drop)
        });
        written.await.map_err(flatten)
    }

    pub async fn resource_name(&self, kind: ResourceKind, id: &str) -> Result<Option<String>> {
        let found = self.database.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT name FROM resources WHERE kind = ?1 AND id = ?2")?;
            let mut rows = statement.query(params![kind.as_str(), id])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        });
        Ok(found.await??)
    }
}

/// Makes the file its owner's alone, for it has secrets. SQLite gives the files beside it the same mode.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

pub(crate) fn flatten(error: WriteError<rusqlite::Error>) -> Error {
    match error {
        WriteError::Job(error) => Error::Sqlite(error),
        WriteError::Database(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, key: &str) -> ObjectClass {
        ObjectClass { class: name.to_owned(), unique_key: key.to_owned(), sqlite: true }
    }

    #[tokio::test]
    async fn what_was_settled_is_there_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(data.path()).unwrap();
        catalog.settle_object_classes("app", vec![class("A", "app-A"), class("B", "app-B")]).await.unwrap();
        catalog.settle_object_classes("app", vec![class("C", "app-A")]).await.unwrap();
        catalog.settle_object_classes("other", vec![class("A", "other-A")]).await.unwrap();
        catalog.name_resource(ResourceKind::D1, "id", "old").await.unwrap();
        catalog.name_resource(ResourceKind::D1, "id", "new").await.unwrap();
        drop(catalog);
        let catalog = Catalog::open(data.path()).unwrap();
        assert_eq!(catalog.object_classes("app").await.unwrap(), [class("C", "app-A")]);
        assert_eq!(catalog.resource_name(ResourceKind::D1, "id").await.unwrap().as_deref(), Some("new"));
        assert_eq!(catalog.resource_name(ResourceKind::R2, "id").await.unwrap(), None);
        let d1 = catalog.resources(ResourceKind::D1).await.unwrap();
        assert_eq!(d1, [("id".to_owned(), "new".to_owned())]);
        catalog.forget_resource(ResourceKind::D1, "id").await.unwrap();
        assert_eq!(catalog.resources(ResourceKind::D1).await.unwrap(), []);
    }
}
