-- Prints postgres_operators.txt: the names of the built-in operators.
--   psql -X -At -f postgres_operators.sql postgres > postgres_operators.txt        (PostgreSQL 15)
-- None of them is VOLATILE (the query fails if one is). Those that are STABLE depend on session parameters only,
-- and session parameters are part of a cache key.
SELECT DISTINCT oprname COLLATE "C" AS name FROM pg_operator JOIN pg_proc p ON p.oid = oprcode
 WHERE oprnamespace = 'pg_catalog'::regnamespace
   AND 1 / (SELECT CASE WHEN bool_or(provolatile = 'v') THEN 0 ELSE 1 END
              FROM pg_operator JOIN pg_proc p ON p.oid = oprcode WHERE oprnamespace = 'pg_catalog'::regnamespace) = 1
 ORDER BY name;
