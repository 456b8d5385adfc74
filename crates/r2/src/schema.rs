use selvedge_sqlite::Schema;

/// The file of one bucket. `content` ties an object or an upload to its bytes: a row of `inline`, or rows of
/// `parts` in the order of their numbers. Completing an upload hands its content to the object as it is.
pub(crate) static SCHEMA: Schema = Schema {
    kind: "R2 bucket",
    // "SvR2"
    application_id: 0x5376_5232,
    steps: &[
        "
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
    ",
        "
        -- NULL for all that was written before there were these columns.
        ALTER TABLE objects ADD COLUMN checksum_kind TEXT;   -- 'composite', or NULL: of the whole
        ALTER TABLE objects ADD COLUMN ssec TEXT;            -- JSON; NULL: not encrypted
        ALTER TABLE inline ADD COLUMN sum INTEGER;           -- CRC-32C of `bytes`
        ALTER TABLE inline ADD COLUMN salt BLOB;             -- of encrypted bytes
        ALTER TABLE parts ADD COLUMN sum INTEGER;            -- of the file's checksums; NULL: it has none
        ALTER TABLE parts ADD COLUMN salt BLOB;
        ALTER TABLE parts ADD COLUMN checksums TEXT;         -- JSON: algorithm to hex
        ALTER TABLE parts ADD COLUMN uploaded INTEGER;       -- milliseconds
        ALTER TABLE uploads ADD COLUMN ssec TEXT;
        ALTER TABLE uploads ADD COLUMN checksum TEXT;        -- JSON: algorithm and kind
        CREATE INDEX uploads_by_key ON uploads (key, id) WHERE finished IS NULL;

        -- What the bucket is and how it behaves: rules and the like, each a JSON value.
        CREATE TABLE settings (
            name TEXT NOT NULL PRIMARY KEY,
            value TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- Events that a rule asked for and nobody has taken yet.
        CREATE TABLE notifications (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            rule TEXT NOT NULL,
            event TEXT NOT NULL              -- JSON, as Cloudflare's queue message has it
        ) STRICT;

        -- How much there is, kept by the triggers below.
        CREATE TABLE usage (
            class TEXT NOT NULL PRIMARY KEY,
            objects INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        INSERT INTO usage VALUES ('Standard', 0, 0), ('InfrequentAccess', 0, 0), ('uploads', 0, 0);
        UPDATE usage SET
            objects = (SELECT count(*) FROM objects WHERE objects.class = usage.class),
            bytes = (SELECT coalesce(sum(size), 0) FROM objects WHERE objects.class = usage.class)
            WHERE class <> 'uploads';
        UPDATE usage SET objects = (SELECT count(*) FROM uploads WHERE finished IS NULL) WHERE class = 'uploads';

        CREATE TRIGGER objects_in AFTER INSERT ON objects BEGIN
            UPDATE usage SET objects = objects + 1, bytes = bytes + new.size WHERE class = new.class;
        END;
        CREATE TRIGGER objects_out AFTER DELETE ON objects BEGIN
            UPDATE usage SET objects = objects - 1, bytes = bytes - old.size WHERE class = old.class;
        END;
        CREATE TRIGGER objects_changed AFTER UPDATE OF size, class ON objects BEGIN
            UPDATE usage SET objects = objects - 1, bytes = bytes - old.size WHERE class = old.class;
            UPDATE usage SET objects = objects + 1, bytes = bytes + new.size WHERE class = new.class;
        END;
        CREATE TRIGGER uploads_in AFTER INSERT ON uploads WHEN new.finished IS NULL BEGIN
            UPDATE usage SET objects = objects + 1 WHERE class = 'uploads';
        END;
        CREATE TRIGGER uploads_over AFTER UPDATE OF finished ON uploads
            WHEN old.finished IS NULL AND new.finished IS NOT NULL BEGIN
            UPDATE usage SET objects = objects - 1 WHERE class = 'uploads';
        END;
        CREATE TRIGGER uploads_out AFTER DELETE ON uploads WHEN old.finished IS NULL BEGIN
            UPDATE usage SET objects = objects - 1 WHERE class = 'uploads';
        END;
    ",
    ],
};
