-- What is refused, every class of error, and the limits.
BEGIN
BEGIN TRANSACTION
BEGIN IMMEDIATE
COMMIT
END
ROLLBACK
SAVEPOINT a
RELEASE a
ROLLBACK TO a
SELECT 1; BEGIN
ATTACH ':memory:' AS x
DETACH main
VACUUM
VACUUM INTO ':memory:'
PRAGMA journal_mode
PRAGMA journal_mode = DELETE
PRAGMA synchronous = OFF
PRAGMA writable_schema = 1
PRAGMA trusted_schema = 1
PRAGMA wal_checkpoint
PRAGMA database_list
PRAGMA function_list
PRAGMA module_list
PRAGMA pragma_list
PRAGMA compile_options
PRAGMA collation_list
PRAGMA integrity_check
PRAGMA quick_check
PRAGMA quick_check(10)
PRAGMA user_version
PRAGMA user_version = 5
PRAGMA application_id
PRAGMA schema_version
PRAGMA schema_version = 1
PRAGMA data_version
PRAGMA data_version = 3
PRAGMA page_count
PRAGMA page_size
PRAGMA page_size = 1024
PRAGMA max_page_count
PRAGMA freelist_count
PRAGMA cache_size
PRAGMA cache_size = 10
PRAGMA cache_spill
PRAGMA mmap_size
PRAGMA temp_store
PRAGMA temp_store_directory
PRAGMA locking_mode
PRAGMA busy_timeout
PRAGMA threads
PRAGMA encoding
PRAGMA encoding = 'UTF-16'
PRAGMA auto_vacuum
PRAGMA incremental_vacuum
PRAGMA secure_delete
PRAGMA soft_heap_limit
PRAGMA hard_heap_limit
PRAGMA shrink_memory
PRAGMA automatic_index
PRAGMA query_only
PRAGMA read_uncommitted
PRAGMA cell_size_check
PRAGMA count_changes
PRAGMA full_column_names
PRAGMA short_column_names
PRAGMA empty_result_callbacks
PRAGMA stats
PRAGMA lock_status
PRAGMA analysis_limit
PRAGMA optimize
PRAGMA optimize(1)
PRAGMA foreign_keys
PRAGMA foreign_keys = ON
PRAGMA defer_foreign_keys
PRAGMA case_sensitive_like = 0
PRAGMA ignore_check_constraints
PRAGMA ignore_check_constraints = 0
PRAGMA legacy_alter_table
PRAGMA legacy_alter_table = 0
PRAGMA legacy_file_format
PRAGMA recursive_triggers = 0
PRAGMA reverse_unordered_selects
PRAGMA reverse_unordered_selects = 0
PRAGMA table_list
PRAGMA main.table_info(x)
PRAGMA nosuch
PRAGMA nosuch = 1
SELECT * FROM pragma_database_list
SELECT * FROM pragma_function_list
SELECT * FROM pragma_compile_options
SELECT * FROM pragma_journal_mode
SELECT * FROM pragma_user_version
SELECT * FROM pragma_nosuch
-- Functions.
SELECT sqlite_version()
SELECT sqlite_source_id()
SELECT sqlite_compileoption_used('THREADSAFE')
SELECT sqlite_compileoption_get(0)
SELECT sqlite_log(1, 'x')
SELECT sqlite_offset(name) FROM sqlite_schema
SELECT load_extension('x')
SELECT fts3_tokenizer('simple')
SELECT fts5(1)
SELECT readfile('/etc/passwd')
SELECT writefile('x', 'y')
SELECT edit('x')
SELECT subtype('a')
SELECT sqlite_drop_column(0, 'x', 0)
SELECT sqlite_rename_table(0, 0, 0, 0, 0, 0, 0)
SELECT sqlite_rename_column(0, 0, 0, 0, 0, 0, 0, 0, 0)
SELECT sqlite_rename_test(0, 0, 0, 0, 0, 0, 0)
SELECT sqlite_rename_quotefix(0, 0)
SELECT sqlite_add_constraint('a', 'b', 1)
SELECT sqlite_fail('a', 1)
SELECT sqlite_find_constraint('a', 'b')
SELECT sqlite_filestat('x')
SELECT nosuch()
SELECT nosuch(1, 2)
SELECT abs()
SELECT abs(1, 2)
SELECT max()
SELECT * FROM dbstat
SELECT * FROM sqlite_dbpage
DELETE FROM sqlite_dbpage
SELECT * FROM sqlite_stmt
SELECT * FROM bytecode('SELECT 1')
SELECT * FROM tables_used('SELECT 1')
SELECT * FROM generate_series(1, 3)
SELECT * FROM fsdir('.')
SELECT * FROM csv('x')
SELECT * FROM _cf_KV
SELECT * FROM _cf_METADATA
SELECT count(*) FROM _cf_nosuch
INSERT INTO _cf_KV VALUES (1, 2)
DROP TABLE _cf_KV
-- Syntax.
SELEC 1
SELECT
SELECT FROM
SELECT 1 +
SELECT (1
SELECT 1)
SELECT 'open
SELECT "open
SELECT [open
SELECT /* open
SELECT 1 /* open
SELECT #
SELECT 1; SELEC 2
SELECT 1 2
SELECT * FROM
SELECT * WHERE 1
SELECT 1 FROM (SELECT 1
INSERT INTO
CREATE TABLE
CREATE TABLE t (a b c d e f)
CREATE TABLE t (a,)
UPDATE SET a = 1
DELETE t
DROP t
select 1 as "select"
SELECT 1 AS select
SELECT x'0'
SELECT x'zz'
SELECT 0x
SELECT 1e
SELECT 1.2.3
SELECT @
SELECT ?x
-- Names.
CREATE TABLE n (a, b)
SELECT nosuch FROM n
SELECT n.nosuch FROM n
SELECT m.a FROM n
SELECT nosuch.n.a FROM n
SELECT a FROM n, n
SELECT a FROM n x, n y
SELECT * FROM n AS x, n AS x
SELECT x.* FROM n
SELECT * FROM nosuch
SELECT * FROM main.nosuch
SELECT * FROM other.n
SELECT a FROM n WHERE nosuch = 1
SELECT a FROM n ORDER BY nosuch
SELECT a FROM n GROUP BY nosuch
SELECT a FROM n LIMIT a
SELECT a FROM n LIMIT 'x'
SELECT a FROM n UNION SELECT a, b FROM n
SELECT a FROM n ORDER BY a UNION SELECT 1
SELECT a FROM n ORDER BY 5
SELECT * FROM n JOIN n USING (nosuch)
SELECT a FROM n HAVING a > 1
SELECT (a, b) FROM n
SELECT (1, 2) = 1
SELECT 1 IN (SELECT 1, 2)
SELECT RAISE(ABORT, 'x')
-- Values at run time.
SELECT abs(-9223372036854775808)
SELECT zeroblob(-1) a
SELECT zeroblob(2000001)
SELECT length(zeroblob(2000000)) a
SELECT length(printf('%2000001s', 'x')) a
SELECT length(replace(hex(zeroblob(1000)), '00', hex(zeroblob(2000)))) a
SELECT length(group_concat(printf('%1000s', 'x'))) a FROM (WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 3000) SELECT i FROM k)
SELECT json_array_length(json_group_array(hex(zeroblob(1000)))) a FROM (WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 2000) SELECT i FROM k)
SELECT date('now', 'nonsense') a, strftime('%!') b, round(1e400) c, log(-1) d, sqrt(-1) e, pow(10, 400) f
SELECT CAST(1e400 AS INTEGER) a, -(-9223372036854775808) b
SELECT substr('abc', 1, 9223372036854775807) a, char(1114112) b, char(-1) c
-- Parameters.
SELECT ?
--? [1]
SELECT 1
--? [1, 2]
SELECT ?
--? [1]
SELECT ?2
--? [1, 2]
SELECT ?2, ?1
--? [1]
SELECT :a
--? [1]
SELECT @a, @a
--? [1]
SELECT $a
--? [1]
SELECT ?0
--? [1]
SELECT ?101
SELECT ?100
--? [1]
SELECT 1; SELECT ?
--? [1]
SELECT ?; SELECT 1
--? ["x"]
SELECT * FROM ?
--? ["a"]
SELECT ? FROM n
--? [1]
CREATE TABLE params (a DEFAULT (?))
--? [1]
PRAGMA table_info(?)
-- Limits.
SELECT 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 a
SELECT 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 a
SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) a
SELECT -------1
SELECT NOT NOT NOT NOT NOT NOT NOT NOT 1 a
SELECT count(*) FROM n a, n b, n c, n d, n e, n f, n g, n h, n i, n j, n k, n l, n m, n o, n p, n q, n r, n s, n t, n u, n v, n w, n x, n y, n z
SELECT max(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40) a
-- Odd texts.
;
;;
-- comment

/* c */
SELECT 1 a;
SELECT 1 a;;
SELECT 1 a -- trailing
SELECT 1 a; -- trailing
SELECT 1 a; SELECT 2 b;
SELECT 1 AS ";"
SELECT ';' a; SELECT '--' b
CREATE TABLE first (a); INSERT INTO first VALUES (1); SELECT * FROM first
INSERT INTO first VALUES (2); INSERT INTO nosuch VALUES (1)
SELECT count(*) c FROM first
EXPLAIN SELECT nosuch
EXPLAIN QUERY PLAN SELECT 1
EXPLAIN QUERY PLAN INSERT INTO first VALUES (9)
