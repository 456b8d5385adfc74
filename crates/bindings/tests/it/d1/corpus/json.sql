-- JSON and JSONB.
SELECT json('{"a":1, "b":[1,2]}') a, json(' null ') b, json('"x"') c, json('1.50') d
SELECT json('{a:1}') a, json('[1,2,]') b, json('{"a":0x1F}') c, json('''x''') d
SELECT json('{bad')
SELECT json('')
SELECT json(NULL)
SELECT json_valid('{"a":1}') a, json_valid('{a:1}') b, json_valid('x') c, json_valid(NULL) d, json_valid('{a:1}', 2) e, json_valid(jsonb('[1]'), 8) f
SELECT json_valid('1', 99)
SELECT json_array() a, json_array(1, 'x', NULL, 2.5, json('[1]'), '[1]') b
SELECT json_array(x'00')
SELECT json_object() a, json_object('a', 1, 'b', json('{"c":2}'), 'd', '{"c":2}') b
SELECT json_object('a')
SELECT json_object(1, 2)
SELECT json_object('a', x'00')
SELECT json_quote('a"b') a, json_quote(1) b, json_quote(NULL) c, json_quote(json('[1]')) d
SELECT json_extract('{"a":{"b":[1,2,{"c":3}]}}', '$.a.b[2].c') a, json_extract('{"a":1}', '$.z') b, json_extract('{"a":null}', '$.a') c
SELECT json_extract('{"a":1,"b":"x"}', '$.a', '$.b') a, json_extract('[1,2,3]', '$[#-1]') b, json_extract('{"a b":1}', '$."a b"') c
SELECT json_extract('{"a":[1,2]}', '$.a') a, typeof(json_extract('{"a":[1]}', '$.a')) b, typeof(json_extract('1.0', '$')) c, typeof(json_extract('true', '$')) d
SELECT json_extract('{"a":1}', 'a')
SELECT json_extract('{"a":1}', '$[')
SELECT json_extract('{"a":1}', '$.a', 'x')
SELECT '{"a":{"b":1}}' -> 'a' a, '{"a":{"b":1}}' -> '$.a.b' b, '{"a":"x"}' -> 'a' c, '{"a":"x"}' ->> 'a' d, '[1,2]' -> 0 e, '[1,2]' ->> -1 f
SELECT '{"a":1}' -> 'z' a, '{"a":null}' -> 'a' b, '{"a":null}' ->> 'a' c, NULL -> 'a' d, '{"1":2}' ->> 1 e, '{"1":2}' ->> '1' f
SELECT '{bad' -> 'a'
SELECT json_type('{"a":[1,2.5,"x",true,false,null,{}]}', '$.a') a, json_type('1') b, json_type('1.5') c, json_type('"x"') d, json_type('true') e, json_type('null') f, json_type('{}') g, json_type('[1]', '$[5]') h
SELECT json_array_length('[1,2,3]') a, json_array_length('{"a":[1]}', '$.a') b, json_array_length('1') c, json_array_length('[]', '$.x') d
SELECT json_insert('{"a":1}', '$.a', 2, '$.b', 3) a, json_replace('{"a":1}', '$.a', 2, '$.b', 3) b, json_set('{"a":1}', '$.a', 2, '$.b', 3) c
SELECT json_set('[1,2]', '$[#]', 3) a, json_set('{"a":[]}', '$.a[0]', json('{"x":1}')) b, json_insert('[1]', '$[0]', 9) c, json_set('{}', '$.a.b', 1) d
SELECT json_set('{}', '$.a')
SELECT json_remove('{"a":1,"b":2}', '$.a') a, json_remove('[1,2,3]', '$[1]', '$[1]') b, json_remove('{"a":1}', '$') c, json_remove('{"a":1}', '$.z') d
SELECT json_patch('{"a":1,"b":{"c":2,"d":3}}', '{"b":{"c":null},"e":4}') a, json_patch('[1]', '[2]') b, json_patch('{"a":1}', 'null') c
SELECT json_group_array(value) a FROM json_each('[3,1,2]')
SELECT json_group_object(key, value) a FROM json_each('{"a":1,"b":[2]}')
SELECT json_group_array(DISTINCT value) a, json_group_array(value ORDER BY value DESC) b FROM json_each('[1,2,1]')
SELECT json_group_array(1) FILTER (WHERE 0) a, json_group_object('k', 1) FILTER (WHERE 0) b
SELECT key, value, type, atom, id, parent, fullkey, path FROM json_each('{"a":1,"b":[1,2],"c":null,"d":"x"}')
SELECT key, value, type, atom, id, parent, fullkey, path FROM json_tree('{"a":{"b":[1,{"c":2}]}}')
SELECT key, value FROM json_each('[1,2,3]', '$') WHERE value > 1
SELECT key, value FROM json_each('{"x":[5,6]}', '$.x')
SELECT * FROM json_each('7')
SELECT count(*) c FROM json_each(NULL)
SELECT * FROM json_each('{bad')
SELECT * FROM json_each('[1]', 'bad')
CREATE TABLE docs (id INTEGER PRIMARY KEY, d TEXT CHECK (json_valid(d)))
INSERT INTO docs (d) VALUES ('{"name":"ada","tags":["x","y"],"age":36}'), ('{"name":"bob","tags":[],"age":null}'), ('{"name":"cy"}')
INSERT INTO docs (d) VALUES ('{nope}')
SELECT id, d ->> 'name' name, d ->> '$.age' age, json_array_length(d, '$.tags') tags FROM docs ORDER BY id
SELECT docs.id, value FROM docs, json_each(docs.d, '$.tags') ORDER BY 1, 2
SELECT docs.id, t.fullkey, t.value FROM docs, json_tree(docs.d) t WHERE t.atom IS NOT NULL ORDER BY 1, t.id
CREATE INDEX docs_name ON docs (d ->> 'name')
SELECT id FROM docs WHERE d ->> 'name' = 'bob'
UPDATE docs SET d = json_set(d, '$.age', 40) WHERE d ->> 'name' = 'ada' RETURNING d
UPDATE docs SET d = json_remove(d, '$.tags')
SELECT d FROM docs ORDER BY id
--? ["$.name", "{\"name\":\"zoe\"}"]
SELECT json_extract(?2, ?1) a
--? ["[1,2,3]"]
SELECT sum(value) s FROM json_each(?)
--? ["[2,3]"]
SELECT id FROM docs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id
SELECT hex(jsonb('{"a":1}')) a, typeof(jsonb('1')) b, json(jsonb('{"a":[1,2]}')) c
SELECT jsonb_extract('{"a":[1]}', '$.a') a, json(jsonb_extract('{"a":[1]}', '$.a')) b, jsonb_extract('{"a":5}', '$.a') c
SELECT json(jsonb_array(1, 'x')) a, json(jsonb_object('k', 2)) b, json(jsonb_set('{}', '$.a', 1)) c, json(jsonb_insert('{}', '$.a', 1)) d, json(jsonb_replace('{"a":0}', '$.a', 1)) e, json(jsonb_remove('{"a":0}', '$.a')) f, json(jsonb_patch('{"a":0}', '{"b":1}')) g
SELECT json(jsonb_group_array(value)) a, json(jsonb_group_object(key, value)) b FROM json_each('[1,2]')
SELECT json(x'ff')
SELECT json_pretty('{"a":[1,2]}') a
SELECT json_error_position('{"a":}') a, json_error_position('{}') b
SELECT json_array_insert('[1,3]', '$[1]', 2) a
SELECT json('{"a":1,"a":2}') a, json_extract('{"a":1,"a":2}', '$.a') b
SELECT json('"\u00e9\ud83d\ude00\n"') a, json_extract('"\u00e9\ud83d\ude00"', '$') b
SELECT json_extract('12345678901234567890', '$') a, json_extract('1e400', '$') b, json_extract('-0', '$') c
SELECT json('[1e5, 1E5, -0.0, 1.]') a
SELECT json_each.value v FROM json_each(json_array(1, 2.5, 'x', NULL))
SELECT value ->> 'a' a FROM json_each('[{"a":1},{"a":2}]') ORDER BY a DESC
