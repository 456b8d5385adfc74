-- Storage classes, affinities, comparisons and conversions.
CREATE TABLE t (i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC, x)
INSERT INTO t VALUES (1, 1, 1, 1, 1, 1)
INSERT INTO t VALUES ('2', '2', '2', '2', '2', '2')
INSERT INTO t VALUES (3.0, 3.0, 3.0, 3.0, 3.0, 3.0)
INSERT INTO t VALUES (3.5, 3.5, 3.5, 3.5, 3.5, 3.5)
INSERT INTO t VALUES ('4.5', '4.5', '4.5', '4.5', '4.5', '4.5')
INSERT INTO t VALUES ('abc', 'abc', 'abc', 'abc', 'abc', 'abc')
INSERT INTO t VALUES (x'616263', x'616263', x'616263', x'616263', x'616263', x'616263')
INSERT INTO t VALUES (NULL, NULL, NULL, NULL, NULL, NULL)
INSERT INTO t VALUES (TRUE, FALSE, TRUE, FALSE, TRUE, FALSE)
INSERT INTO t VALUES (1e3, 1e3, 1e3, 1e3, 1e3, 1e3)
INSERT INTO t VALUES ('1e3', '1e3', '1e3', '1e3', '1e3', '1e3')
INSERT INTO t VALUES (' 7 ', ' 7 ', ' 7 ', ' 7 ', ' 7 ', ' 7 ')
INSERT INTO t VALUES ('0x10', '0x10', '0x10', '0x10', '0x10', '0x10')
INSERT INTO t VALUES (0x10, 0x10, 0x10, 0x10, 0x10, 0x10)
INSERT INTO t VALUES (9223372036854775807, 9223372036854775807, 1, 1, 9223372036854775807, 9223372036854775807)
INSERT INTO t VALUES (9223372036854775808, 9223372036854775808, 9223372036854775808, 1, 9223372036854775808, 9223372036854775808)
INSERT INTO t VALUES ('9223372036854775808', '1e400', '', '', '1e400', '')
SELECT rowid, typeof(i), typeof(r), typeof(t), typeof(b), typeof(n), typeof(x) FROM t ORDER BY rowid
SELECT rowid, * FROM t ORDER BY rowid
SELECT rowid, quote(i), quote(r), quote(t), quote(b), quote(n), quote(x) FROM t ORDER BY rowid
SELECT x FROM t ORDER BY x, rowid
SELECT DISTINCT typeof(x) FROM t ORDER BY 1
SELECT rowid FROM t WHERE i = '2'
SELECT rowid FROM t WHERE x = '2'
SELECT rowid FROM t WHERE x = 2
SELECT rowid FROM t WHERE t = 2
SELECT rowid FROM t WHERE t < i ORDER BY rowid
SELECT rowid FROM t WHERE b = 'abc'
SELECT rowid FROM t WHERE CAST(b AS TEXT) = 'abc' ORDER BY rowid
SELECT rowid FROM t WHERE i IS NULL
SELECT rowid FROM t WHERE i IS NOT DISTINCT FROM NULL
SELECT rowid FROM t WHERE x IN (1, '2', 3.5) ORDER BY rowid
SELECT rowid FROM t WHERE i IN (SELECT t FROM t) ORDER BY rowid
SELECT count(*), count(i), count(DISTINCT i) FROM t
SELECT max(x), min(x) FROM t
SELECT CAST('12abc' AS INTEGER) a, CAST('abc' AS INTEGER) b, CAST('-5.9' AS INTEGER) c, CAST(5.9 AS INTEGER) d
SELECT CAST(9e18 AS INTEGER) a, CAST(1e19 AS INTEGER) b, CAST(-1e19 AS INTEGER) c
SELECT CAST('1.5e2x' AS REAL) a, CAST('' AS REAL) b, CAST('.5' AS REAL) c, CAST('5.' AS REAL) d
SELECT CAST('1.0' AS NUMERIC) a, CAST('1.5' AS NUMERIC) b, CAST('1e2' AS NUMERIC) c, CAST('x' AS NUMERIC) d
SELECT typeof(CAST('1.0' AS NUMERIC)) a, typeof(CAST(1.0 AS NUMERIC)) b, typeof(CAST('9223372036854775808' AS NUMERIC)) c
SELECT CAST(x'31' AS INTEGER) a, CAST(x'31' AS TEXT) b, CAST(1 AS BLOB) c, CAST(1.5 AS BLOB) d, CAST(NULL AS BLOB) e
SELECT CAST('text' AS VARCHAR(2)) a, CAST(12345 AS CHAR) b, CAST('1' AS BOOLEAN) c, CAST('2020-01-01' AS DATE) d
SELECT 1 = 1.0 a, 1 IS 1.0 b, '1' = 1 c, '1' = '1.0' d, x'31' = '1' e
SELECT NULL = NULL a, NULL IS NULL b, NULL <> 1 c, NULL AND 0 d, NULL OR 1 e, NOT NULL f
SELECT 1 < 'a' a, 'a' < x'00' b, NULL < 1 c, 2 < 10 d, '2' < '10' e
SELECT 5 / 2 a, 5.0 / 2 b, 5 / 2.0 c, -5 / 2 d, 5 % 3 e, -5 % 3 f, 5 % -3 g, 5.5 % 2 h
SELECT 1 / 0 a, 1.0 / 0 b, 1 % 0 c, 0 / 0 d, 0.0 / 0.0 e
SELECT 9223372036854775807 + 1 a, -9223372036854775808 - 1 b, 9223372036854775807 * 2 c, typeof(9223372036854775807 + 1) d
SELECT -9223372036854775808 / -1 a, -9223372036854775808 % -1 b, abs(-9223372036854775807) c
SELECT 1 << 62 a, 1 << 63 b, 1 << 64 c, 1 >> -1 d, -1 >> 1 e, ~0 f, 6 & 3 g, 6 | 3 h
SELECT 'a' + 1 a, '12a' + 1 b, '1.5' * 2 c, x'31' + 1 d, -'3' e, +'x' f
SELECT 1 || 2 a, 1.0 || '' b, 1e20 || '' c, x'41' || 'b' d, NULL || 'x' e, TRUE || '' f
SELECT 0.1 + 0.2 a, 0.1 + 0.2 = 0.3 b, 1e308 * 10 c, -1e308 * 10 d, 1e-400 e
SELECT 100000000000000000000 a, 1e15 b, 1e16 c, 123456789012345678 d, 1.23456789012345678 e, 5e-324 f
SELECT 1e15 || '' a, 1e16 || '' b, 0.1 || '' c, 1.0/3 || '' d, 100.0 || '' e, 1e21 || '' f, -0.0 || '' g
SELECT 9007199254740991 a, 9007199254740992 b, 9007199254740993 c, -9007199254740993 d
SELECT 1.7976931348623157e308 a, 2.2250738585072014e-308 b, 4.9e-324 c
SELECT 0x7fffffffffffffff a, 0xffffffffffffffff b, 1_000_000 c
SELECT x'' a, zeroblob(3) b, x'DEADbeef' c, length(x'0000') d
SELECT '' a, 'it''s' b, 'line
    two' c, 'tab	end' d, char(0) || 'x' e
SELECT 'é' a, '日本語' b, '😀' c, length('😀') d, octet_length('😀') e, unicode('😀') f
SELECT 'e' || char(769) = 'é' a, length('e' || char(769)) b
SELECT TRUE a, FALSE b, TRUE + TRUE c, typeof(TRUE) d, TRUE IS 1 e, 5 IS TRUE f, 0 IS NOT FALSE g, NULL IS FALSE h
SELECT 5 BETWEEN 1 AND 10 a, 'b' BETWEEN 'a' AND 'c' b, NULL BETWEEN 1 AND 2 c, 5 NOT BETWEEN 1 AND 2 d
SELECT (1, 2) = (1, 2) a, (1, 2) < (1, 3) b, (1, NULL) = (1, 2) c, (2, NULL) = (1, 2) d
SELECT CASE WHEN NULL THEN 1 ELSE 2 END a, CASE NULL WHEN NULL THEN 1 ELSE 2 END b, CASE 1 WHEN 1.0 THEN 'y' END c
SELECT iif(0.5, 1, 2) a, iif('0', 1, 2) b, iif('a', 1, 2) c, iif(NULL, 1, 2) d, iif(1, 5) e
SELECT coalesce(NULL, NULL) a, ifnull(NULL, 2) b, nullif(1, 1.0) c, nullif('a', 'A') d
--? [1, 1.5, "text", null, true]
SELECT typeof(?1) a, typeof(?2) b, typeof(?3) c, typeof(?4) d, typeof(?5) e
--? [9007199254740991, -1, 0, 1e300, 1e-300]
SELECT ?1 a, ?2 b, ?3 c, ?4 d, ?5 e
--? [5, 2]
SELECT ?1 / ?2 a, ?1 % ?2 b, ?1 || '' c, CAST(?1 AS INTEGER) / CAST(?2 AS INTEGER) d
--? ["1", 1]
SELECT ?1 = ?2 a, ?1 < ?2 b
--? [1]
SELECT rowid FROM t WHERE i = ? ORDER BY rowid
--? ["1"]
SELECT rowid FROM t WHERE i = ? ORDER BY rowid
--? [1]
SELECT rowid FROM t WHERE t = ? ORDER BY rowid
--? [3]
SELECT x FROM t ORDER BY rowid LIMIT ?
--? ["2"]
SELECT x FROM t ORDER BY rowid LIMIT ?
--? [2.5]
SELECT x FROM t ORDER BY rowid LIMIT ?
--? [2, 3]
SELECT x FROM t ORDER BY rowid LIMIT ?1 OFFSET ?2
--? [[0, 1, 255]]
SELECT ? a, typeof(?1) b, length(?1) c, hex(?1) d
--? [[]]
SELECT ? a, typeof(?1) b, length(?1) c
--? [10]
INSERT INTO t (i, r, t, b, n, x) VALUES (?1, ?1, ?1, ?1, ?1, ?1) RETURNING typeof(i) i, typeof(r) r, typeof(t) t, typeof(b) b, typeof(n) n, typeof(x) x, t AS text
--? ["10"]
INSERT INTO t (i, r, t, b, n, x) VALUES (?1, ?1, ?1, ?1, ?1, ?1) RETURNING typeof(i) i, typeof(r) r, typeof(t) t, typeof(b) b, typeof(n) n, typeof(x) x
--? [10.5]
INSERT INTO t (i, r, t, b, n, x) VALUES (?1, ?1, ?1, ?1, ?1, ?1) RETURNING typeof(i) i, typeof(r) r, typeof(t) t, typeof(b) b, typeof(n) n, typeof(x) x
CREATE TABLE strict (i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT
INSERT INTO strict VALUES (1, 1, 'a', x'00', 'any')
INSERT INTO strict VALUES ('2', '2.5', 3, x'00', 3)
INSERT INTO strict VALUES ('x', 1, 'a', x'00', NULL)
INSERT INTO strict VALUES (1.5, 1, 'a', x'00', NULL)
INSERT INTO strict VALUES (1, 'x', 'a', x'00', NULL)
INSERT INTO strict VALUES (1, 1, x'00', x'00', NULL)
INSERT INTO strict VALUES (1, 1, 'a', 'text', NULL)
--? [7]
INSERT INTO strict VALUES (?1, ?1, ?1, NULL, ?1)
SELECT *, typeof(i) ti, typeof(r) tr, typeof(t) tt, typeof(a) ta FROM strict
CREATE TABLE unknown_type (a WIBBLE) STRICT
CREATE TABLE odd (a FLOATING POINT, b CHARINT, c DECIMAL(10, 5), d BOOLEAN, e DATETIME, f "LONG TEXT")
INSERT INTO odd VALUES ('1', '1', '1', '1', '1', 1) RETURNING typeof(a) a, typeof(b) b, typeof(c) c, typeof(d) d, typeof(e) e, typeof(f) f
