use selvedge_sqlite::Schema;

/// The file of one bucket. `content` ties an object or an upload to its bytes: a row of `inline`, or rows of
/// `parts` in the order of their numbers. Completing an upload hands its content to the object as it is.
pub(crate) static SCHEMA: Schema = Schema {
    kind: "R2 bucket",
    // "SvR2"
    application_id: 0x5376_5232,
    steps: &["
        CREATE TABLE objects (
            key TEXT NOT NULL PRIMARY KEY,
            content INTEGER NOT NULL,
            size INTEGER NOT NULL,
            etag TEXT NOT NULL,
            version TEXT NOT NULL,
            uploaded INTEGER NOT NULL,      -- milliseconds
            class TEXT NOT NULL,
            checksums TEXT NOT NULL,        -- JSON: algorithm to hex
            http TEXT NOT NULL,             -- JSON object
            custom TEXT NOT NULL            -- JSON array of pairs
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE inline (
            content INTEGER NOT NULL PRIMARY KEY,
            bytes BLOB NOT NULL
        ) STRICT;

        CREATE TABLE parts (
            content INTEGER NOT NULL,
            number INTEGER NOT NULL,
            size INTEGER NOT NULL,
            md5 TEXT NOT NULL,              -- hex, and the part's etag
            blob TEXT NOT NULL,
            PRIMARY KEY (content, number)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX parts_by_blob ON parts (blob);

        CREATE TABLE uploads (
            id TEXT NOT NULL PRIMARY KEY,
            key TEXT NOT NULL,
            content INTEGER NOT NULL,
            created INTEGER NOT NULL,       -- milliseconds
            finished INTEGER,               -- milliseconds; NULL while it takes parts
            class TEXT NOT NULL,
            http TEXT NOT NULL,
            custom TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- Files that no row names any more and that are still to be removed. `content` is what a reader may
        -- still be reading, 0 for none.
        CREATE TABLE garbage (
            blob TEXT NOT NULL PRIMARY KEY,
            content INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
    "],
};
