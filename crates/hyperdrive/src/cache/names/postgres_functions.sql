-- Prints postgres_functions.txt: the built-in functions that are the same for ever, whichever overload is meant.
--   psql -X -At -f postgres_functions.sql postgres > postgres_functions.txt        (PostgreSQL 15)
-- A line is a name and the numbers of arguments at which every overload is IMMUTABLE; `*` means at any number.
-- Left out: what takes or gives server internals; time with time zone (a text without a zone gets today's); and
-- pg_* functions (some read the catalogs and still say that they are immutable).
WITH overload AS (
  SELECT proname,
         provolatile = 'i' AS immutable,
         prorettype IN ('cstring'::regtype, 'internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype, 'void'::regtype)
           OR prorettype::regtype::text LIKE '%\_handler'
           OR proargtypes::oid[] && ARRAY['cstring'::regtype, 'internal'::regtype]::oid[] AS internal,
         pronargs - pronargdefaults - (provariadic <> 0)::int AS least,
         CASE WHEN provariadic <> 0 THEN 100 ELSE pronargs END AS most
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384
), name AS (
  SELECT proname, bool_and(immutable) AS always FROM overload
   GROUP BY proname
  HAVING bool_or(immutable) AND NOT bool_or(internal)
     AND proname NOT LIKE '%timetz%'
     AND (proname NOT LIKE 'pg\_%' OR proname IN ('pg_size_pretty', 'pg_size_bytes'))
), arity AS (
  SELECT proname, n FROM name CROSS JOIN generate_series(0, 9) AS n
   WHERE NOT always
     AND EXISTS (SELECT FROM overload o WHERE o.proname = name.proname AND n BETWEEN least AND most)
     AND NOT EXISTS (SELECT FROM overload o WHERE o.proname = name.proname AND n BETWEEN least AND most AND NOT immutable)
)
SELECT line FROM (
  SELECT proname || ' *' AS line FROM name WHERE always
  UNION ALL
  SELECT proname || ' ' || string_agg(n::text, ' ' ORDER BY n) FROM arity GROUP BY proname
) AS lines ORDER BY line COLLATE "C";
