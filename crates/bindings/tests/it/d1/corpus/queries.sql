-- Joins, subqueries, CTEs, aggregates, windows, ordering; with what they read.
CREATE TABLE dept (id INTEGER PRIMARY KEY, name TEXT)
CREATE TABLE emp (id INTEGER PRIMARY KEY, name TEXT NOT NULL, dept INTEGER, salary REAL, boss INTEGER)
INSERT INTO dept VALUES (1, 'eng'), (2, 'ops'), (3, 'empty')
INSERT INTO emp VALUES (1, 'ann', 1, 100, NULL), (2, 'bob', 1, 80, 1), (3, 'cat', 2, 70, 1), (4, 'dan', 2, 70, 3), (5, 'eve', NULL, 50, 3)
SELECT count(*) c FROM emp
SELECT * FROM emp WHERE id = 3
SELECT * FROM emp WHERE id = 99
SELECT * FROM emp WHERE id IN (1, 3, 99)
SELECT * FROM emp WHERE id BETWEEN 2 AND 4
SELECT * FROM emp WHERE id > 3
SELECT * FROM emp WHERE id < 3 ORDER BY id DESC
SELECT * FROM emp WHERE name = 'cat'
SELECT name FROM emp LIMIT 2
SELECT name FROM emp LIMIT 2 OFFSET 3
SELECT name FROM emp LIMIT 0
SELECT name FROM emp LIMIT -1
SELECT name FROM emp ORDER BY salary, name
SELECT name FROM emp ORDER BY salary DESC, name DESC LIMIT 2
SELECT name FROM emp ORDER BY dept NULLS LAST, id
SELECT name FROM emp ORDER BY dept NULLS FIRST, id
SELECT name n FROM emp ORDER BY n DESC
SELECT name, salary FROM emp ORDER BY 2, 1
SELECT name FROM emp ORDER BY 3
SELECT name FROM emp ORDER BY length(name), name
SELECT e.name e, d.name d FROM emp e JOIN dept d ON d.id = e.dept ORDER BY e.id
SELECT e.name e, d.name d FROM emp e LEFT JOIN dept d ON d.id = e.dept ORDER BY e.id
SELECT e.name e, d.name d FROM emp e RIGHT JOIN dept d ON d.id = e.dept ORDER BY d.id, e.id
SELECT e.name e, d.name d FROM emp e FULL JOIN dept d ON d.id = e.dept ORDER BY d.id, e.id
SELECT count(*) c FROM emp CROSS JOIN dept
SELECT count(*) c FROM emp, dept WHERE emp.dept = dept.id
SELECT e.name, b.name boss FROM emp e JOIN emp b ON b.id = e.boss ORDER BY e.id
SELECT * FROM emp NATURAL JOIN dept
SELECT emp.name FROM emp JOIN dept USING (id) ORDER BY emp.id
SELECT id FROM emp JOIN dept ON emp.dept = dept.id
SELECT d.name, (SELECT count(*) FROM emp e WHERE e.dept = d.id) c FROM dept d ORDER BY d.id
SELECT name FROM dept d WHERE EXISTS (SELECT 1 FROM emp WHERE dept = d.id) ORDER BY id
SELECT name FROM dept WHERE id NOT IN (SELECT dept FROM emp WHERE dept IS NOT NULL)
SELECT name FROM dept WHERE id NOT IN (SELECT dept FROM emp)
SELECT name FROM emp WHERE salary > (SELECT avg(salary) FROM emp) ORDER BY id
SELECT name FROM emp WHERE (dept, salary) = (2, 70) ORDER BY id
SELECT name FROM emp WHERE (dept, salary) IN (SELECT dept, max(salary) FROM emp GROUP BY dept) ORDER BY id
SELECT (SELECT name FROM emp ORDER BY id)
SELECT (SELECT id, name FROM emp)
SELECT s.n FROM (SELECT name n, salary FROM emp WHERE salary >= 70) s ORDER BY s.salary, s.n
SELECT name FROM emp UNION SELECT name FROM dept ORDER BY name
SELECT dept FROM emp UNION ALL SELECT id FROM dept ORDER BY 1
SELECT dept FROM emp INTERSECT SELECT id FROM dept ORDER BY 1
SELECT id FROM dept EXCEPT SELECT dept FROM emp
SELECT 1 UNION SELECT 2, 3
SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6
VALUES (1, 'a'), (2, 'b')
SELECT * FROM (VALUES (1), (2), (3)) ORDER BY column1 DESC
SELECT DISTINCT dept FROM emp ORDER BY dept
SELECT DISTINCT salary, dept FROM emp ORDER BY 1, 2
-- Aggregates.
SELECT count(*) a, count(dept) b, count(DISTINCT dept) c, sum(salary) d, avg(salary) e, min(salary) f, max(salary) g, total(salary) h FROM emp
SELECT sum(id) a, typeof(sum(id)) b, sum(NULL) c, total(NULL) d, avg(NULL) e, count(NULL) f FROM emp
SELECT sum(9223372036854775807) FROM emp
SELECT sum(id) s FROM emp WHERE 0
SELECT max(id) m FROM emp
SELECT min(id) m, max(id) n FROM emp
SELECT dept, count(*) c, sum(salary) s FROM emp GROUP BY dept ORDER BY dept
SELECT dept, count(*) c FROM emp GROUP BY dept HAVING c > 1 ORDER BY dept
SELECT dept, max(salary) m, name FROM emp GROUP BY dept ORDER BY dept
SELECT dept, group_concat(name) g FROM emp GROUP BY dept ORDER BY dept
SELECT group_concat(name, '; ') a, group_concat(DISTINCT dept) b, string_agg(name, '-' ORDER BY name DESC) c FROM emp
SELECT count(*) FILTER (WHERE salary > 70) a, sum(salary) FILTER (WHERE dept = 1) b FROM emp
SELECT salary > 70 rich, count(*) c FROM emp GROUP BY 1 ORDER BY 1
SELECT name FROM emp GROUP BY salary ORDER BY salary
SELECT count(*) FROM emp HAVING count(*) > 100
SELECT sum(count(*)) FROM emp
SELECT name FROM emp WHERE count(*) > 1
SELECT max(name, salary) m FROM emp ORDER BY id
SELECT median(salary) FROM emp
SELECT percentile(salary, 50) FROM emp
-- Windows.
SELECT name, row_number() OVER (ORDER BY salary DESC, id) r FROM emp ORDER BY r
SELECT name, rank() OVER (ORDER BY salary) a, dense_rank() OVER (ORDER BY salary) b, percent_rank() OVER (ORDER BY salary) c, cume_dist() OVER (ORDER BY salary) d FROM emp ORDER BY id
SELECT name, sum(salary) OVER (PARTITION BY dept ORDER BY id) s FROM emp ORDER BY id
SELECT name, lag(name) OVER (ORDER BY id) a, lead(name, 2, 'none') OVER (ORDER BY id) b FROM emp ORDER BY id
SELECT name, first_value(name) OVER w a, last_value(name) OVER w b, nth_value(name, 2) OVER w c FROM emp WINDOW w AS (ORDER BY id) ORDER BY id
SELECT id, avg(salary) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) a FROM emp ORDER BY id
SELECT id, sum(salary) OVER (ORDER BY salary RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) a FROM emp ORDER BY id
SELECT id, count(*) OVER (ORDER BY salary GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) a FROM emp ORDER BY id
SELECT id, ntile(2) OVER (ORDER BY id) a, count(*) OVER () b FROM emp ORDER BY id
SELECT id, sum(salary) FILTER (WHERE dept = 1) OVER (ORDER BY id) a FROM emp ORDER BY id
SELECT dept, sum(sum(salary)) OVER (ORDER BY dept) a FROM emp GROUP BY dept ORDER BY dept
SELECT name FROM emp WHERE row_number() OVER () = 1
SELECT row_number() FROM emp
SELECT sum(salary) OVER nosuch FROM emp
SELECT ntile(0) OVER () FROM emp
SELECT nth_value(id, 0) OVER () FROM emp
-- CTEs.
WITH rich AS (SELECT * FROM emp WHERE salary >= 80) SELECT name FROM rich ORDER BY id
WITH a AS (SELECT 1 n), b AS (SELECT n + 1 n FROM a) SELECT a.n a, b.n b FROM a, b
WITH a(x, y) AS (VALUES (1, 2), (3, 4)) SELECT x + y s FROM a ORDER BY s
WITH a(x) AS (VALUES (1, 2)) SELECT * FROM a
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) s, count(*) c FROM n
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i * 2 FROM n LIMIT 8) SELECT i FROM n
WITH RECURSIVE up(id, name, depth) AS (SELECT id, name, 0 FROM emp WHERE boss IS NULL UNION ALL SELECT e.id, e.name, depth + 1 FROM emp e JOIN up ON e.boss = up.id) SELECT name, depth FROM up ORDER BY depth, name
WITH RECURSIVE up(id, name, depth) AS (SELECT id, name, 0 FROM emp WHERE boss IS NULL UNION ALL SELECT e.id, e.name, depth + 1 FROM emp e JOIN up ON e.boss = up.id ORDER BY 3 DESC) SELECT substr('....', 1, depth) || name n FROM up
WITH RECURSIVE f(a, b) AS (SELECT 0, 1 UNION SELECT b, a + b FROM f WHERE b < 50) SELECT a FROM f
WITH RECURSIVE g(i) AS (SELECT 1 UNION SELECT (i + 1) % 5 FROM g) SELECT i FROM g ORDER BY i
WITH a AS MATERIALIZED (SELECT id FROM emp) SELECT count(*) c FROM a
WITH a AS NOT MATERIALIZED (SELECT id FROM emp) SELECT count(*) c FROM a
WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a
WITH a AS (SELECT 1) SELECT * FROM nosuch
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT count(i) FROM n) SELECT * FROM n
WITH t AS (SELECT 3 AS id) INSERT INTO dept SELECT id + 1, 'cte' FROM t RETURNING *
WITH t AS (SELECT 4 AS id) UPDATE dept SET name = 'up' WHERE id IN (SELECT id FROM t) RETURNING *
WITH t AS (SELECT 4 AS id) DELETE FROM dept WHERE id IN (SELECT id FROM t) RETURNING id
-- Indexes: what is read through them.
CREATE INDEX emp_salary ON emp (salary)
CREATE INDEX emp_dept_name ON emp (dept, name)
SELECT name FROM emp WHERE salary = 70 ORDER BY id
SELECT salary FROM emp WHERE salary = 70
SELECT name FROM emp WHERE salary > 60 ORDER BY salary, id
SELECT name FROM emp WHERE dept = 1 ORDER BY name
SELECT name FROM emp WHERE dept = 1 AND name = 'bob'
SELECT id FROM emp WHERE dept = 9
SELECT name FROM emp WHERE dept = 1 OR salary = 50 ORDER BY id
SELECT max(salary) m FROM emp
SELECT min(salary) m FROM emp WHERE dept = 1
SELECT count(*) c FROM emp WHERE salary = 70
SELECT d.name, e.name FROM dept d JOIN emp e ON e.dept = d.id ORDER BY d.id, e.name
SELECT dept, count(*) c FROM emp GROUP BY dept
SELECT DISTINCT dept FROM emp
SELECT name FROM emp INDEXED BY emp_salary WHERE salary = 70 ORDER BY id
SELECT name FROM emp INDEXED BY nosuch WHERE salary = 70
SELECT name FROM emp NOT INDEXED WHERE salary = 70 ORDER BY id
SELECT name FROM emp WHERE +salary = 70 ORDER BY id
SELECT rowid, _rowid_, oid, id FROM emp WHERE rowid = 1
EXPLAIN QUERY PLAN SELECT name FROM emp WHERE salary = 70
EXPLAIN QUERY PLAN SELECT * FROM emp e JOIN dept d ON d.id = e.dept
SELECT count(*) > 5 c FROM (SELECT 1 FROM emp a, emp b, dept)
SELECT count(*) c FROM emp a JOIN emp b ON a.salary = b.salary
SELECT a.name FROM emp a WHERE a.salary = (SELECT max(b.salary) FROM emp b WHERE b.dept IS a.dept) ORDER BY a.id
SELECT e.name FROM emp e, json_each('[1,3]') j WHERE j.value = e.id ORDER BY e.id
SELECT 1
SELECT 1 WHERE 0
SELECT NULL
