//! Directories that an older Selvedge wrote.

use rusqlite::{Connection, params};
use selvedge_kv::{ListOptions, PutOptions};

use crate::{Lab, START, large};

/// The first format, as it was shipped.
const FIRST: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE entries (
        key TEXT NOT NULL PRIMARY KEY,
        expires INTEGER,
        size INTEGER NOT NULL,
        blob TEXT,
        metadata TEXT,
        value BLOB,
        CHECK ((blob IS NULL) <> (value IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;
    CREATE INDEX entries_by_blob ON entries (blob) WHERE blob IS NOT NULL;
    CREATE TABLE garbage (blob TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
    PRAGMA application_id = 0x53454c4b;
    PRAGMA user_version = 1;
";

#[tokio::test]
async fn a_namespace_of_the_first_format_is_read_and_written() {
    let lab = Lab::new().await;
    let Lab { directory, clock, namespace } = lab;
    drop(namespace);
    let path = directory.path().join("test.sqlite");
    std::fs::remove_file(&path).unwrap();
    let blob = format!("ab{}", "0".repeat(30));
    let folder = directory.path().join("test/blobs/ab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&blob), large(100_000)).unwrap();
    {
        #[expect(clippy::disallowed_methods, reason = "writes what an older version wrote")]
        let old = Connection::open(&path).unwrap();
        old.execute_batch(FIRST).unwrap();
        let mut insert = old.prepare("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6)").unwrap();
        for n in 0..500_usize {
            let expires = (n % 2 == 0).then_some(START + 60);
            let value = large(n);
            insert
                .execute(params![
                    format!("k{n:03}"),
                    expires.map(u64::cast_signed),
                    n.cast_signed(),
                    None::<String>,
                    "[1]",
                    value
                ])
                .unwrap();
        }
        insert.execute(params!["file", None::<i64>, 100_000, blob, None::<String>, None::<Vec<u8>>]).unwrap();
    }
    let namespace = crate::open(directory.path(), &clock).await;
    let lab = Lab { directory, clock, namespace };

    let entry = lab.namespace.get_with_metadata("k123").await.unwrap().unwrap();
    assert_eq!((entry.metadata.as_deref(), entry.expiration), (Some("[1]"), None));
    assert_eq!(entry.value.into_bytes().await.unwrap(), large(123));
    let file = lab.namespace.get("file").await.unwrap().unwrap();
    assert_eq!(file.into_bytes().await.unwrap(), large(100_000));
    assert_eq!(lab.namespace.list(&ListOptions::default()).await.unwrap().keys.len(), 501);
    let report = lab.namespace.check(|_| ()).await.unwrap();
    assert!(report.is_sound());
    assert_eq!((report.values, report.unchecked), (501, 501));

    // What is put from now on is protected, and the space of what expires is returned.
    lab.namespace.put("k123", "new", &PutOptions::default()).await.unwrap();
    assert_eq!(lab.namespace.check(|_| ()).await.unwrap().unchecked, 500);
    lab.clock.advance(60_000);
    lab.clean_up().await;
    let lab = lab.reopen().await;
    let report = lab.namespace.check(|_| ()).await.unwrap();
    assert_eq!((report.values, report.unchecked), (251, 250));
    #[expect(clippy::disallowed_methods, reason = "looks at the file from outside")]
    let file = Connection::open(lab.directory.path().join("test.sqlite")).unwrap();
    let mode: i64 = file.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, 2, "it can give pages back");
}
