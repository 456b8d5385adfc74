-- DDL, views, triggers, generated columns, ALTER, the schema tables and PRAGMAs.
CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT)
CREATE TABLE a (id INTEGER)
CREATE TABLE IF NOT EXISTS a (id INTEGER)
CREATE TABLE b AS SELECT 1 AS x, 'y' AS y, NULL AS z
SELECT * FROM b
CREATE TABLE "quoted name" ("a b" TEXT, [c d] INTEGER, `e f` REAL)
INSERT INTO "quoted name" VALUES ('x', 1, 2.5)
SELECT "a b", [c d], `e f` FROM "quoted name"
CREATE TABLE dup (a, a)
CREATE TABLE none ()
CREATE TABLE two_keys (a PRIMARY KEY, b PRIMARY KEY)
CREATE TABLE bad_default (a DEFAULT b)
CREATE TABLE expr_default (a DEFAULT (1 + 2), b DEFAULT CURRENT_TIMESTAMP, c DEFAULT (lower('ABC')), d DEFAULT -5)
INSERT INTO expr_default DEFAULT VALUES
SELECT a, length(b) b, c, d FROM expr_default
CREATE TABLE sqlite_mine (a)
CREATE TABLE main.qualified (a)
CREATE TABLE temp.x (a)
CREATE TABLE other.x (a)
CREATE TEMP TABLE x (a)
CREATE VIEW temp.x AS SELECT 1
CREATE TRIGGER temp.x AFTER INSERT ON a BEGIN SELECT 1; END
CREATE VIRTUAL TABLE temp.x USING fts5(a)
CREATE INDEX temp.x ON a (v)
CREATE TEMP VIEW x AS SELECT 1
CREATE TEMP TRIGGER x AFTER INSERT ON a BEGIN SELECT 1; END
CREATE TABLE _cf_x (a)
CREATE TABLE _CF_x (a)
CREATE INDEX _cf_i ON a (v)
CREATE VIEW _cf_v AS SELECT 1
CREATE TABLE with_rowid_only (a) WITHOUT ROWID
CREATE INDEX a_v ON a (v)
CREATE INDEX a_v ON a (v)
CREATE INDEX IF NOT EXISTS a_v ON a (v)
CREATE UNIQUE INDEX a_u ON a (lower(v))
INSERT INTO a (v) VALUES ('X'), ('y')
INSERT INTO a (v) VALUES ('x')
CREATE INDEX bad ON a (nosuch)
CREATE INDEX bad ON nosuch (a)
CREATE INDEX bad ON a (random())
CREATE INDEX bad ON a (v) WHERE id > random()
CREATE UNIQUE INDEX b_u ON b (x)
REINDEX a
REINDEX
ANALYZE
ANALYZE a
DROP INDEX a_u
DROP INDEX nosuch
DROP INDEX IF EXISTS nosuch
DROP INDEX sqlite_autoindex_words_1
-- Views.
CREATE VIEW va AS SELECT id, upper(v) u FROM a
SELECT * FROM va ORDER BY id
CREATE VIEW vc (one, two) AS SELECT id, v FROM a
SELECT two FROM vc ORDER BY one
INSERT INTO va VALUES (9, 'Z')
UPDATE va SET u = 'x'
DELETE FROM va
CREATE VIEW vbad AS SELECT * FROM nosuch
SELECT * FROM vbad
DROP VIEW vbad
CREATE VIEW vp AS SELECT * FROM a WHERE id = ?
CREATE VIEW vself AS SELECT * FROM vself
SELECT * FROM vself
DROP VIEW vself
CREATE TRIGGER va_insert INSTEAD OF INSERT ON va BEGIN INSERT INTO a (v) VALUES (lower(new.u)); END
INSERT INTO va (u) VALUES ('THROUGH')
SELECT v FROM a ORDER BY id DESC LIMIT 1
DROP TABLE va
DROP VIEW a
-- Triggers.
CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)
CREATE TRIGGER a_ins AFTER INSERT ON a BEGIN INSERT INTO log (what) VALUES ('ins ' || new.v); END
CREATE TRIGGER a_upd BEFORE UPDATE OF v ON a FOR EACH ROW WHEN old.v <> new.v BEGIN INSERT INTO log (what) VALUES (old.v || '>' || new.v); END
CREATE TRIGGER a_del AFTER DELETE ON a BEGIN INSERT INTO log (what) VALUES ('del ' || old.v); DELETE FROM log WHERE what LIKE 'ins%'; END
INSERT INTO a (v) VALUES ('t1'), ('t2')
UPDATE a SET v = 't3' WHERE v = 't1'
UPDATE a SET v = v
DELETE FROM a WHERE v = 't2'
SELECT what FROM log ORDER BY id
CREATE TRIGGER a_guard BEFORE INSERT ON a WHEN new.v = 'bad' BEGIN SELECT RAISE(ABORT, 'no bad things'); END
INSERT INTO a (v) VALUES ('bad')
CREATE TRIGGER a_ignore BEFORE INSERT ON a WHEN new.v = 'skip' BEGIN SELECT RAISE(IGNORE); END
INSERT INTO a (v) VALUES ('skip')
CREATE TRIGGER a_fail BEFORE INSERT ON a WHEN new.v = 'fail' BEGIN SELECT RAISE(FAIL, 'failed here'); END
INSERT INTO a (v) VALUES ('before'), ('fail')
CREATE TRIGGER a_roll BEFORE INSERT ON a WHEN new.v = 'roll' BEGIN SELECT RAISE(ROLLBACK, 'rolled'); END
INSERT INTO a (v) VALUES ('roll')
SELECT count(*) c FROM a WHERE v IN ('bad', 'skip', 'fail', 'before', 'roll')
CREATE TRIGGER a_ins AFTER INSERT ON a BEGIN SELECT 1; END
CREATE TRIGGER IF NOT EXISTS a_ins AFTER INSERT ON a BEGIN SELECT 1; END
CREATE TRIGGER bad AFTER INSERT ON nosuch BEGIN SELECT 1; END
CREATE TRIGGER bad AFTER INSERT ON va BEGIN SELECT 1; END
CREATE TRIGGER bad INSTEAD OF INSERT ON a BEGIN SELECT 1; END
CREATE TRIGGER late AFTER INSERT ON a BEGIN INSERT INTO nosuch VALUES (1); END
INSERT INTO a (v) VALUES ('late')
DROP TRIGGER late
DROP TRIGGER nosuch
CREATE TRIGGER own AFTER INSERT ON log BEGIN INSERT INTO log (what) SELECT 'again' WHERE (SELECT count(*) FROM log) < 20; END
INSERT INTO log (what) VALUES ('start')
SELECT count(*) c FROM log
PRAGMA recursive_triggers
DROP TRIGGER own
CREATE TABLE sums (total INTEGER)
INSERT INTO sums VALUES (0)
CREATE TABLE items (n INTEGER)
CREATE TRIGGER items_sum AFTER INSERT ON items BEGIN UPDATE sums SET total = total + new.n; END
INSERT INTO items VALUES (1), (2), (3)
SELECT total FROM sums
-- Generated columns.
CREATE TABLE g (w INTEGER, h INTEGER, area INTEGER GENERATED ALWAYS AS (w * h) STORED, label TEXT AS (w || 'x' || h) VIRTUAL)
INSERT INTO g (w, h) VALUES (2, 3), (4, 5)
SELECT * FROM g ORDER BY w
INSERT INTO g VALUES (1, 2, 3, 4)
INSERT INTO g (w, h, area) VALUES (1, 2, 3)
UPDATE g SET area = 1
UPDATE g SET w = 10 WHERE h = 3 RETURNING area, label
CREATE INDEX g_label ON g (label)
SELECT area FROM g WHERE label = '4x5'
CREATE TABLE gbad (a AS (a + 1))
CREATE TABLE gbad (a AS (random()))
CREATE TABLE gbad (a AS (1))
CREATE TABLE gver (a, b AS (sqlite_version()))
CREATE TABLE gver2 (a DEFAULT (sqlite_version()))
INSERT INTO gver2 DEFAULT VALUES
-- ALTER.
CREATE TABLE alt (a, b)
INSERT INTO alt VALUES (1, 2)
ALTER TABLE alt ADD COLUMN c DEFAULT 5
ALTER TABLE alt ADD COLUMN d TEXT NOT NULL DEFAULT 'x'
ALTER TABLE alt ADD COLUMN e NOT NULL
ALTER TABLE alt ADD COLUMN f PRIMARY KEY
ALTER TABLE alt ADD COLUMN g UNIQUE
ALTER TABLE alt ADD COLUMN h AS (a + b)
ALTER TABLE alt ADD COLUMN i DEFAULT CURRENT_TIMESTAMP
ALTER TABLE alt ADD COLUMN a
SELECT * FROM alt
ALTER TABLE alt RENAME COLUMN b TO bb
ALTER TABLE alt RENAME COLUMN nosuch TO x
ALTER TABLE alt DROP COLUMN c
ALTER TABLE alt DROP COLUMN nosuch
ALTER TABLE alt RENAME TO altered
ALTER TABLE altered RENAME TO a
ALTER TABLE altered RENAME TO _cf_altered
ALTER TABLE altered RENAME TO sqlite_altered
SELECT * FROM altered
ALTER TABLE nosuch RENAME TO y
ALTER TABLE va RENAME TO vb
ALTER TABLE altered ALTER COLUMN bb SET NOT NULL
CREATE VIEW uses AS SELECT bb FROM altered
ALTER TABLE altered RENAME COLUMN bb TO cc
SELECT cc FROM altered
SELECT * FROM uses
ALTER TABLE altered DROP COLUMN cc
DROP VIEW uses
-- The schema.
SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE '\_cf%' ESCAPE '\' ORDER BY type, name
SELECT count(*) > 0 c FROM sqlite_master
SELECT name FROM main.sqlite_schema WHERE name = 'a'
SELECT * FROM sqlite_temp_schema
UPDATE sqlite_schema SET sql = 'x'
DELETE FROM sqlite_schema
INSERT INTO sqlite_schema VALUES (1, 1, 1, 1, 1)
DROP TABLE sqlite_schema
ALTER TABLE sqlite_schema ADD COLUMN x
CREATE TRIGGER bad AFTER INSERT ON sqlite_schema BEGIN SELECT 1; END
SELECT tbl, idx FROM sqlite_stat1 ORDER BY 1, 2
PRAGMA table_info(g)
PRAGMA table_xinfo(g)
PRAGMA table_info(nosuch)
PRAGMA table_info('quoted name')
SELECT name, type, pk FROM pragma_table_info('a')
SELECT m.name t, i.name c FROM sqlite_schema m JOIN pragma_table_info(m.name) i WHERE m.type = 'table' AND m.name IN ('a', 'g') ORDER BY 1, i.cid
PRAGMA index_list(a)
PRAGMA index_info(a_v)
PRAGMA index_xinfo(a_v)
PRAGMA foreign_key_list(a)
SELECT name, type, ncol, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name IN ('a', 'g', 'va', 'sqlite_schema') ORDER BY name
DROP TABLE g
DROP TABLE nosuch
DROP TABLE IF EXISTS nosuch
DROP TABLE altered
SELECT * FROM altered
