import { Client } from "pg";

export interface Product {
  id: number;
  name: string;
  cents: number;
  stock: number;
}

/** A client for as long as `work` takes: it costs nothing, Hyperdrive has the connections. */
export async function connected<T>(hyperdrive: Hyperdrive, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: hyperdrive.connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Counts a visit, and answers how many there were. */
export function visit(env: Env): Promise<number> {
  return connected(env.FRESH, async (client) => {
    const { rows } = await client.query("UPDATE visits SET count = count + 1 RETURNING count");
    return rows[0].count;
  });
}

/** The products, how many visits the database knew of when it was asked, and the milliseconds until they were here. */
export function products(hyperdrive: Hyperdrive, from = 0) {
  const start = performance.now();
  return connected(hyperdrive, async (client) => {
    const { rows } = await client.query<Product & { visits: number }>(
      "SELECT id, name, cents, stock, count AS visits FROM products, visits WHERE id > $1 ORDER BY id",
      [from],
    );
    return { products: rows as Product[], visits: rows[0]?.visits ?? 0, ms: performance.now() - start };
  });
}

/** Takes one from the stock; false when there is none. */
export function order(env: Env, product: number): Promise<boolean> {
  return connected(env.FRESH, async (client) => {
    await client.query("BEGIN");
    const taken = await client.query("UPDATE products SET stock = stock - 1 WHERE id = $1 AND stock > 0", [product]);
    if (taken.rowCount === 1) await client.query("INSERT INTO orders (product) VALUES ($1)", [product]);
    await client.query("COMMIT");
    return taken.rowCount === 1;
  });
}
