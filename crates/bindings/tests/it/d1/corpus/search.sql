-- FTS5 and R*Tree.
CREATE VIRTUAL TABLE notes USING fts5(title, body)
INSERT INTO notes (title, body) VALUES ('Fox', 'The quick brown fox jumps over the lazy dog'), ('Dog', 'A lazy dog sleeps all day'), ('Bird', 'Birds fly; quick birds fly quicker')
SELECT rowid, title FROM notes WHERE notes MATCH 'lazy' ORDER BY rowid
SELECT rowid FROM notes WHERE notes MATCH 'quick AND fox'
SELECT rowid FROM notes WHERE notes MATCH 'quick OR sleeps' ORDER BY rowid
SELECT rowid FROM notes WHERE notes MATCH 'lazy NOT fox'
SELECT rowid FROM notes WHERE notes MATCH '"lazy dog"' ORDER BY rowid
SELECT rowid FROM notes WHERE notes MATCH 'qui*' ORDER BY rowid
SELECT rowid FROM notes WHERE notes MATCH 'title:dog'
SELECT rowid FROM notes WHERE notes MATCH 'NEAR(quick fox, 2)'
SELECT rowid FROM notes WHERE notes MATCH '^the'
SELECT rowid FROM notes WHERE notes MATCH '{title body}: bird*' ORDER BY rowid
SELECT rowid FROM notes('lazy') ORDER BY rank, rowid
SELECT rowid FROM notes WHERE title MATCH 'fox'
SELECT rowid FROM notes WHERE notes = 'fox'
SELECT rowid FROM notes WHERE notes MATCH 'syntax AND'
SELECT rowid FROM notes WHERE notes MATCH '"open'
SELECT rowid FROM notes WHERE notes MATCH 'nosuch:fox'
SELECT rowid FROM notes WHERE notes MATCH ''
SELECT highlight(notes, 1, '<b>', '</b>') h FROM notes WHERE notes MATCH 'lazy' ORDER BY rowid
SELECT snippet(notes, 1, '[', ']', '...', 4) s FROM notes WHERE notes MATCH 'lazy' ORDER BY rowid
SELECT rowid, round(bm25(notes), 4) b FROM notes WHERE notes MATCH 'quick' ORDER BY b, rowid
SELECT rowid, round(rank, 4) r FROM notes WHERE notes MATCH 'quick' ORDER BY rank
SELECT rowid FROM notes WHERE notes MATCH 'dog' ORDER BY bm25(notes, 10.0, 1.0)
SELECT rowid, title FROM notes WHERE title LIKE 'F%'
SELECT count(*) c FROM notes
SELECT title FROM notes WHERE rowid = 2
--? ["sleeps"]
SELECT title FROM notes WHERE notes MATCH ?
UPDATE notes SET body = 'A cat' WHERE rowid = 2
SELECT rowid FROM notes WHERE notes MATCH 'cat'
SELECT rowid FROM notes WHERE notes MATCH 'sleeps'
DELETE FROM notes WHERE rowid = 3
INSERT INTO notes (rowid, title, body) VALUES (10, 'Ten', 'number ten') RETURNING rowid
INSERT INTO notes (rowid, title, body) VALUES (10, 'Ten', 'again')
INSERT OR REPLACE INTO notes (rowid, title, body) VALUES (10, 'Ten', 'replaced')
SELECT body FROM notes WHERE rowid = 10
INSERT INTO notes (notes) VALUES ('optimize')
INSERT INTO notes (notes) VALUES ('rebuild')
INSERT INTO notes (notes) VALUES ('integrity-check')
INSERT INTO notes (notes, rank) VALUES ('merge', 16)
INSERT INTO notes (notes) VALUES ('nosuch')
INSERT INTO notes (notes, rank) VALUES ('rank', 'bm25(10.0, 5.0)')
SELECT highlight(notes, 9, '<', '>') h FROM notes WHERE notes MATCH 'fox'
SELECT fts5_source_id()
CREATE VIRTUAL TABLE vocab USING fts5vocab('notes', 'row')
SELECT term, doc, cnt FROM vocab WHERE term >= 'q' ORDER BY term
SELECT * FROM notes_config ORDER BY k
DELETE FROM notes_data
SELECT count(*) > 0 c FROM notes_docsize
CREATE TABLE plain (id INTEGER PRIMARY KEY, t TEXT)
CREATE VIRTUAL TABLE plain_fts USING fts5(t, content='plain', content_rowid='id')
CREATE TRIGGER plain_ai AFTER INSERT ON plain BEGIN INSERT INTO plain_fts (rowid, t) VALUES (new.id, new.t); END
CREATE TRIGGER plain_ad AFTER DELETE ON plain BEGIN INSERT INTO plain_fts (plain_fts, rowid, t) VALUES ('delete', old.id, old.t); END
CREATE TRIGGER plain_au AFTER UPDATE ON plain BEGIN INSERT INTO plain_fts (plain_fts, rowid, t) VALUES ('delete', old.id, old.t); INSERT INTO plain_fts (rowid, t) VALUES (new.id, new.t); END
INSERT INTO plain (t) VALUES ('alpha beta'), ('beta gamma'), ('delta')
UPDATE plain SET t = 'epsilon' WHERE id = 3
DELETE FROM plain WHERE id = 1
SELECT p.id, p.t FROM plain_fts f JOIN plain p ON p.id = f.rowid WHERE plain_fts MATCH 'beta OR epsilon' ORDER BY p.id
INSERT INTO plain_fts (plain_fts) VALUES ('rebuild')
CREATE VIRTUAL TABLE less USING fts5(t, content='')
INSERT INTO less (rowid, t) VALUES (1, 'one two')
SELECT rowid, t FROM less WHERE less MATCH 'two'
DELETE FROM less WHERE rowid = 1
CREATE VIRTUAL TABLE tri USING fts5(t, tokenize='trigram')
INSERT INTO tri VALUES ('abcdef'), ('xyz')
SELECT t FROM tri WHERE tri MATCH 'cde'
SELECT t FROM tri WHERE t LIKE '%bcd%'
CREATE VIRTUAL TABLE port USING fts5(t, tokenize='porter unicode61 remove_diacritics 2', prefix='2 3')
INSERT INTO port VALUES ('Connections connected'), ('Café')
SELECT t FROM port WHERE port MATCH 'connect'
SELECT t FROM port WHERE port MATCH 'cafe'
CREATE VIRTUAL TABLE bad USING fts5(t, tokenize='nosuch')
CREATE VIRTUAL TABLE bad USING fts5()
CREATE VIRTUAL TABLE bad USING fts5(rank)
CREATE VIRTUAL TABLE old USING fts4(t)
CREATE VIRTUAL TABLE old USING fts3(t)
ALTER TABLE tri RENAME TO trigrams
SELECT t FROM trigrams WHERE trigrams MATCH 'xyz'
DROP TABLE trigrams
DROP TABLE vocab
DROP TABLE notes_data
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1, +label TEXT)
INSERT INTO boxes VALUES (1, 0, 10, 0, 10, 'a'), (2, 5, 15, 5, 15, 'b'), (3, 20, 30, 20, 30, 'c')
SELECT id, label FROM boxes WHERE x0 <= 7 AND x1 >= 7 AND y0 <= 7 AND y1 >= 7 ORDER BY id
SELECT id, x0, x1 FROM boxes ORDER BY id
INSERT INTO boxes VALUES (4, 10, 0, 0, 1, 'bad')
INSERT INTO boxes VALUES (1, 0, 1, 0, 1, 'twice')
UPDATE boxes SET x1 = 12.3 WHERE id = 1
SELECT x1 FROM boxes WHERE id = 1
DELETE FROM boxes WHERE id = 2
SELECT count(*) c FROM boxes
--? [25]
SELECT label FROM boxes WHERE x0 <= ?1 AND x1 >= ?1
SELECT rtreecheck('boxes') r
SELECT nodeno FROM boxes_node
INSERT INTO boxes_node VALUES (9, x'00')
CREATE VIRTUAL TABLE whole USING rtree_i32(id, a, b)
INSERT INTO whole VALUES (1, 1.9, 2.9), (NULL, 3, 4)
SELECT * FROM whole ORDER BY id
CREATE VIRTUAL TABLE bad USING rtree(id, x0)
CREATE VIRTUAL TABLE bad USING rtree(id, x0, x1, y0)
CREATE VIRTUAL TABLE bad USING geopoly(a)
CREATE VIRTUAL TABLE bad USING csv(filename='/etc/passwd')
CREATE VIRTUAL TABLE bad USING nosuch(a)
SELECT rtreenode(2, x'')
SELECT rtreedepth(x'0000')
CREATE VIRTUAL TABLE IF NOT EXISTS whole USING rtree_i32(id, a, b)
DROP TABLE whole
