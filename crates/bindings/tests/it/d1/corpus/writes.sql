-- INSERT, UPDATE, DELETE, upserts, RETURNING, constraints, foreign keys; with what they change and write.
CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT UNIQUE, n INTEGER DEFAULT 7, note TEXT)
INSERT INTO p (email) VALUES ('a')
INSERT INTO p (email, n) VALUES ('b', 1), ('c', 2)
INSERT INTO p DEFAULT VALUES
INSERT INTO p (id, email) VALUES (50, 'e') RETURNING id, email, n
INSERT INTO p (email) VALUES ('f') RETURNING id
INSERT INTO p (email) VALUES ('a')
INSERT INTO p (id) VALUES (1)
INSERT INTO p (id) VALUES ('text')
INSERT INTO p VALUES (1, 2)
INSERT INTO p (nosuch) VALUES (1)
INSERT INTO p (id, id) VALUES (60, 61)
INSERT INTO nosuch VALUES (1)
INSERT OR IGNORE INTO p (email) VALUES ('a')
INSERT OR IGNORE INTO p (email) VALUES ('a'), ('g')
INSERT OR REPLACE INTO p (email, n) VALUES ('b', 99)
REPLACE INTO p (id, email) VALUES (1, 'a2')
INSERT OR ABORT INTO p (email) VALUES ('h'), ('g')
INSERT OR FAIL INTO p (email) VALUES ('h'), ('g'), ('i')
SELECT email FROM p WHERE email IN ('h', 'i')
INSERT OR ROLLBACK INTO p (email) VALUES ('g')
INSERT INTO p (email, n) SELECT email || '2', n FROM p WHERE id < 3
INSERT INTO p (email) SELECT 'x' || i FROM (WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 5) SELECT i FROM k)
SELECT * FROM p ORDER BY id
SELECT last_insert_rowid() > 0 a, changes() >= 0 b, total_changes() > 0 c
INSERT INTO p (email, n) VALUES ('c', 5) ON CONFLICT (email) DO UPDATE SET n = excluded.n + n RETURNING n
INSERT INTO p (email, n) VALUES ('c', 5) ON CONFLICT (email) DO NOTHING
INSERT INTO p (email, n) VALUES ('c', 5) ON CONFLICT DO NOTHING RETURNING id
INSERT INTO p (email, n) VALUES ('c', 5) ON CONFLICT (email) DO UPDATE SET n = 0 WHERE n > 1000
INSERT INTO p (id, email) VALUES (3, 'c') ON CONFLICT (id) DO UPDATE SET note = 'by id' ON CONFLICT (email) DO UPDATE SET note = 'by email' RETURNING note
INSERT INTO p (email) VALUES ('c') ON CONFLICT (note) DO NOTHING
INSERT INTO p (email) VALUES ('c') ON CONFLICT (email) DO UPDATE SET email = 'f'
--? ["c", 42]
INSERT INTO p (email, n) VALUES (?1, ?2) ON CONFLICT (email) DO UPDATE SET n = ?2 RETURNING email, n
UPDATE p SET n = 1 WHERE id = 3
UPDATE p SET n = n + 1 WHERE email LIKE 'x%'
UPDATE p SET note = 'all'
UPDATE p SET note = 'none' WHERE 0
UPDATE p SET email = upper(email) WHERE email LIKE 'x%' RETURNING email
UPDATE p SET email = 'c' WHERE id = 50
UPDATE OR IGNORE p SET email = 'c' WHERE id = 50
UPDATE OR REPLACE p SET email = 'c' WHERE id = 50
UPDATE p SET id = id + 1000 WHERE id = 50 RETURNING id
UPDATE p SET id = 1 WHERE id = 1050
UPDATE p SET (n, note) = (SELECT 5, 'row') WHERE id = 1 RETURNING n, note
UPDATE p SET nosuch = 1
UPDATE nosuch SET a = 1
UPDATE p SET n = s.c FROM (SELECT 4 id, 44 c) s WHERE s.id = p.id RETURNING p.n
--? [9, 1]
UPDATE p SET n = ?1 WHERE id = ?2 RETURNING n
DELETE FROM p WHERE id = 1
DELETE FROM p WHERE id = 1
DELETE FROM p WHERE email LIKE 'X%' RETURNING email
DELETE FROM nosuch
DELETE FROM p
SELECT count(*) c FROM p
-- Rows written with indexes of all kinds.
CREATE TABLE w (a INTEGER PRIMARY KEY, b, c, d)
CREATE INDEX w_b ON w (b)
CREATE INDEX w_c ON w (c) WHERE c > 0
CREATE INDEX w_d ON w (d + 1, b)
INSERT INTO w VALUES (1, 1, 1, 1)
INSERT INTO w VALUES (2, 1, -1, 1)
INSERT INTO w VALUES (3, 1, 1, 1), (4, 2, 0, 2), (5, 3, 5, 3)
UPDATE w SET b = 9 WHERE a = 1
UPDATE w SET b = 9 WHERE a = 1
UPDATE w SET c = 9 WHERE a = 2
UPDATE w SET d = 4 WHERE b = 1
UPDATE w SET a = 100 WHERE a = 1
UPDATE w SET b = b
DELETE FROM w WHERE a = 100
DELETE FROM w WHERE b = 1
DELETE FROM w
CREATE TABLE wr (k TEXT PRIMARY KEY, v) WITHOUT ROWID
CREATE INDEX wr_v ON wr (v)
INSERT INTO wr VALUES ('a', 1), ('b', 2)
INSERT INTO wr VALUES ('a', 1)
SELECT rowid FROM wr
SELECT * FROM wr WHERE k = 'a'
SELECT * FROM wr WHERE v = 2
UPDATE wr SET v = 3 WHERE k = 'a'
UPDATE wr SET k = 'z' WHERE k = 'a'
REPLACE INTO wr VALUES ('b', 9)
INSERT INTO wr VALUES (NULL, 1)
DELETE FROM wr WHERE k = 'b'
DELETE FROM wr
CREATE TABLE au (id INTEGER PRIMARY KEY AUTOINCREMENT, v)
INSERT INTO au (v) VALUES (1), (2)
DELETE FROM au WHERE id = 2
INSERT INTO au (v) VALUES (3) RETURNING id
SELECT * FROM sqlite_sequence
UPDATE sqlite_sequence SET seq = 100 WHERE name = 'au'
INSERT INTO au (v) VALUES (4) RETURNING id
INSERT INTO au (id, v) VALUES (9223372036854775807, 1)
INSERT INTO au (v) VALUES (5)
-- Constraints.
CREATE TABLE c (a NOT NULL, b CHECK (b > 0), c UNIQUE, d REFERENCES au (id), CONSTRAINT named CHECK (a <> 'no'))
INSERT INTO c VALUES (1, 1, 1, 1)
INSERT INTO c VALUES (NULL, 1, 2, 1)
INSERT INTO c VALUES (1, 0, 2, 1)
INSERT INTO c VALUES (1, 1, 1, 1)
INSERT INTO c VALUES (1, 1, 2, 77)
INSERT INTO c VALUES ('no', 1, 2, 1)
INSERT INTO c VALUES (1, NULL, NULL, NULL)
INSERT OR IGNORE INTO c VALUES (NULL, 1, 3, 1)
INSERT OR REPLACE INTO c VALUES (NULL, 1, 3, 1)
UPDATE c SET a = NULL
UPDATE c SET d = 77
DELETE FROM au WHERE id = 1
DROP TABLE au
CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE)
CREATE TABLE cascades (id INTEGER PRIMARY KEY, p REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)
CREATE TABLE nulls (id INTEGER PRIMARY KEY, p REFERENCES parent (id) ON DELETE SET NULL)
CREATE TABLE defaults (id INTEGER PRIMARY KEY, p INTEGER DEFAULT 1 REFERENCES parent (id) ON DELETE SET DEFAULT)
CREATE TABLE restricts (id INTEGER PRIMARY KEY, p REFERENCES parent (id) ON DELETE RESTRICT)
CREATE TABLE later (id INTEGER PRIMARY KEY, p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)
INSERT INTO parent VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')
INSERT INTO cascades VALUES (1, 2), (2, 2), (3, 3)
INSERT INTO nulls VALUES (1, 2)
INSERT INTO defaults VALUES (1, 2)
DELETE FROM parent WHERE id = 2
SELECT (SELECT count(*) FROM cascades) a, (SELECT p FROM nulls) b, (SELECT p FROM defaults) c
UPDATE parent SET id = 30 WHERE id = 3
SELECT p FROM cascades
INSERT INTO restricts VALUES (1, 4)
DELETE FROM parent WHERE id = 4
INSERT INTO cascades VALUES (9, 99)
INSERT INTO later VALUES (1, 99)
INSERT INTO later VALUES (2, 99); DELETE FROM later
PRAGMA defer_foreign_keys = on; INSERT INTO cascades VALUES (9, 99); DELETE FROM cascades WHERE id = 9
PRAGMA foreign_key_check
CREATE TABLE mismatch (p REFERENCES parent (nosuch))
INSERT INTO mismatch VALUES (1)
CREATE TABLE orphan (p REFERENCES nowhere (id))
INSERT INTO orphan VALUES (1)
INSERT INTO orphan VALUES (NULL)
DELETE FROM p WHERE id IN (SELECT id FROM p LIMIT 1)
UPDATE p SET n = 1 LIMIT 1
DELETE FROM p LIMIT 1
DELETE FROM p ORDER BY id LIMIT 1
INSERT INTO p (email) VALUES ('q'); INSERT INTO p (email) VALUES ('r'); SELECT count(*) c FROM p
INSERT INTO p (email) VALUES ('s'); INSERT INTO p (email) VALUES ('s')
SELECT count(*) c FROM p WHERE email = 's'
