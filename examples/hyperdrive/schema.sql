-- The database that was there before the Worker.
CREATE TABLE products (
  id serial PRIMARY KEY,
  name text NOT NULL UNIQUE,
  cents integer NOT NULL,
  stock integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE orders (
  id serial PRIMARY KEY,
  product integer NOT NULL REFERENCES products,
  made timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE visits (count integer NOT NULL);
INSERT INTO products (name, cents, stock) VALUES ('teapot', 2900, 12), ('cup', 450, 80), ('tray', 1600, 7);
INSERT INTO visits VALUES (0);
