SELECT kind, name::text, definition FROM (
  SELECT 'function' AS kind, proname AS name, NULL AS definition
    FROM pg_catalog.pg_proc
   WHERE oid >= 16384 AND provolatile <> 'i'
  UNION ALL
  SELECT 'operator', oprname, NULL
    FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
   WHERE o.oid >= 16384 AND provolatile <> 'i'
  UNION ALL
  SELECT 'cast', typname, NULL
    FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
    JOIN pg_catalog.pg_type t ON t.oid IN (c.castsource, c.casttarget)
   WHERE c.oid >= 16384 AND provolatile <> 'i'
  UNION ALL
  SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'view' END, relname,
         CASE WHEN relkind = 'v' AND row_number() OVER (PARTITION BY relkind ORDER BY c.oid) <= 5000
              THEN pg_catalog.pg_get_viewdef(c.oid) END
    FROM pg_catalog.pg_class c
   WHERE c.oid >= 16384 AND relkind IN ('v', 'S')
  UNION ALL
  SELECT 'policy', relname, pg_catalog.pg_get_expr(polqual, polrelid)
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
   WHERE polqual IS NOT NULL AND relrowsecurity
) AS names
