-- Collations, LIKE, GLOB and the functions on texts and BLOBs.
CREATE TABLE words (w TEXT, n TEXT COLLATE NOCASE, r TEXT COLLATE RTRIM)
INSERT INTO words VALUES ('apple', 'apple', 'apple'), ('Apple', 'Apple', 'apple  '), ('BANANA', 'BANANA', 'banana'), ('éclair', 'éclair', 'é'), ('Éclair', 'Éclair', 'É'), ('z', 'z', 'z'), ('', '', '')
SELECT w FROM words ORDER BY w
SELECT n FROM words ORDER BY n, rowid
SELECT w FROM words ORDER BY w COLLATE NOCASE, rowid
SELECT r FROM words ORDER BY r, rowid
SELECT count(*) c FROM words WHERE n = 'APPLE'
SELECT count(*) c FROM words WHERE w = 'APPLE'
SELECT count(*) c FROM words WHERE w = 'APPLE' COLLATE NOCASE
SELECT count(*) c FROM words WHERE r = 'apple'
SELECT count(*) c FROM words WHERE n = 'ÉCLAIR'
SELECT DISTINCT n FROM words ORDER BY 1
SELECT n, count(*) c FROM words GROUP BY n ORDER BY n
SELECT r, count(*) c FROM words GROUP BY r ORDER BY r
SELECT max(n) a, min(n) b, max(w) c, min(w) d FROM words
SELECT w FROM words ORDER BY w COLLATE nosuch
CREATE INDEX words_n ON words (n)
CREATE INDEX words_bad ON words (w COLLATE nosuch)
SELECT n FROM words WHERE n > 'APPLE' ORDER BY n, rowid
SELECT n FROM words WHERE n LIKE 'a%' ORDER BY rowid
SELECT w FROM words WHERE w LIKE 'A%' ORDER BY rowid
SELECT w FROM words WHERE w GLOB 'A*'
SELECT w FROM words WHERE w GLOB '[A-Z]*' ORDER BY rowid
SELECT w FROM words WHERE w LIKE '_pple' ORDER BY rowid
SELECT 'abc' LIKE 'ABC' a, 'é' LIKE 'É' b, 'abc' LIKE 'a%c' c, 'abc' LIKE 'a_' d, '' LIKE '' e, NULL LIKE 'a' f
SELECT 'a%c' LIKE 'a\%c' ESCAPE '\' a, 'abc' LIKE 'a\%c' ESCAPE '\' b, 'a_c' LIKE 'a!_c' ESCAPE '!' c
SELECT 'abc' LIKE 'abc' ESCAPE 'xy'
SELECT 'abc' GLOB 'a?c' a, 'abc' GLOB 'A*' b, 'a]c' GLOB 'a[]]c' c, 'abc' GLOB 'a[^x]c' d, 'a*c' GLOB 'a[*]c' e
SELECT 123 LIKE '1%' a, x'616263' LIKE 'abc' b, 1.0 LIKE '1.0' c
SELECT like('a%', 'abc') a, glob('a*', 'abc') b, like('a!%', 'a%', '!') c
SELECT 'abc' REGEXP 'a'
SELECT 'abc' MATCH 'a'
SELECT upper('abcé') a, lower('ABCÉ') b, upper(NULL) c, upper(12) d, lower(x'4142') e
SELECT length('abc') a, length('é') b, length(x'c3a9') c, length(12.50) d, length(NULL) e, length('a' || char(0) || 'b') f
SELECT substr('hello', 2) a, substr('hello', 2, 2) b, substr('hello', -3, 2) c, substr('hello', 0, 2) d, substr('hello', 2, -1) e, substr('hello', 99) f
SELECT substr(x'010203', 2, 1) a, substr('日本語', 2, 1) b, substring('hello', 1, 3) c, substr(12345, 2, 3) d
SELECT trim('  a  ') a, ltrim('xxa', 'x') b, rtrim('axx', 'x') c, trim('abcba', 'ab') d, trim('é a é', 'é ') e
SELECT replace('aaa', 'a', 'bb') a, replace('abc', '', 'x') b, replace('abc', 'z', 'x') c, replace(123, 2, 9) d, replace(NULL, 'a', 'b') e
SELECT instr('hello', 'l') a, instr('hello', 'z') b, instr('日本語', '語') c, instr(x'010203', x'02') d, instr('', '') e
SELECT hex('abc') a, hex(x'00ff') b, hex(12) c, hex(NULL) d, unhex('616263') e, unhex('61 62', ' ') f, unhex('6') g
SELECT quote('it''s') a, quote(x'00ff') b, quote(1.5) c, quote(NULL) d, quote(9e999) e, quote(1) f
SELECT char(97, 98) a, char() b, char(128512) c, unicode('a') d, unicode('') e
SELECT concat('a', NULL, 1, 2.5) a, concat_ws(',', 'a', NULL, 'b') b, concat_ws(NULL, 'a') c, concat(NULL) d
SELECT printf('%d|%5d|%-5d|%05d|%+d', 42, 42, 42, 42, 42) a, printf('%x %X %o', 255, 255, 8) b, printf('%,d', 1234567) c
SELECT printf('%.2f|%8.3f|%e|%g|%G', 3.14159, 3.14159, 31415.9, 0.0001, 1e20) a, printf('%!.20f', 0.1) b
SELECT printf('%s|%10s|%-10s|%.2s', 'abc', 'abc', 'abc', 'abc') a, printf('%q %Q %w', 'it''s', 'it''s', 'a"b') b, printf('%c%c', 'x', 'yz') c
SELECT printf('%%') a, printf('%z') b, printf('%d') c, printf('%s') d, printf(NULL) e, printf('%*d', 6, 42) f, format('%d', '12abc') g
SELECT 'a' < 'b' a, 'a' < 'B' b, 'a' < 'B' COLLATE NOCASE c, 'a ' = 'a' d, 'a ' = 'a' COLLATE RTRIM e
SELECT 'a' COLLATE NOCASE = 'A' a, 'a' = 'A' COLLATE NOCASE b, ('a' COLLATE NOCASE) || '' = 'A' c
SELECT 'A' IN ('a') a, 'A' COLLATE NOCASE IN ('a') b, CASE 'A' COLLATE NOCASE WHEN 'a' THEN 1 ELSE 0 END c
SELECT typeof(random()) a, length(randomblob(4)) b, typeof(randomblob(0)) c, length(hex(randomblob(16))) d
SELECT unistr('\0041\+01f600') a
SELECT unistr_quote('a')
SELECT sha1('a')
SELECT reverse('abc')
SELECT soundex('Robert')
SELECT 'text' "alias one", 1 AS [alias two], 2 AS `three`
SELECT "not a column"
SELECT 'a' 'b'
SELECT CAST(x'ff' AS TEXT) a, length(CAST(x'ff41' AS TEXT)) b
SELECT upper(CAST(x'c3' AS TEXT)) a, CAST(x'f09f98' AS TEXT) b, CAST(x'eda080' AS TEXT) c
--? ["a\u0000b"]
SELECT ? a, length(?1) b, hex(?1) c
--? ["ünïcödé 😀"]
SELECT ? a, length(?1) b, octet_length(?1) c, upper(?1) d
--? ["%' OR 1=1 --"]
SELECT ? a
--? ["app%"]
SELECT w FROM words WHERE w LIKE ? ORDER BY rowid
--? ["1234567890123456789012345678901234567890123456789"]
SELECT 'a' LIKE ? a
--? ["12345678901234567890123456789012345678901234567890"]
SELECT 'a' LIKE ? a
--? ["123456789012345678901234567890123456789012345678901"]
SELECT 'a' LIKE ? a
--? ["123456789012345678901234567890123456789012345678901"]
SELECT 'a' GLOB ? a
