import { connected, order, products, visit } from "./shop";

/** Everything the page relies on, tried out. */
export async function check(env: Env) {
  const results: { name: string; ok: boolean; detail?: unknown }[] = [];
  const sample = async (name: string, run: () => Promise<unknown>) => {
    try {
      const detail = await run();
      results.push({ name, ok: detail === true, detail });
    } catch (error) {
      results.push({ name, ok: false, detail: String(error) });
    }
  };

  await sample("a read without a cache knows the last visit", async () => {
    const now = await visit(env);
    return (await products(env.FRESH)).visits >= now;
  });
  await sample("a repeated read comes from the cache, and does not", async () => {
    // A parameter that nobody else has: the first read finds nothing. Until the pool has read the database's
    // catalogs, nothing is kept.
    const own = -Math.floor(Math.random() * 1e9) - 1;
    for (let tries = 0; tries < 100; tries++) {
      const now = await visit(env);
      if ((await products(env.HYPERDRIVE, own)).visits < now) return tries > 0;
    }
    return "it never did";
  });
  await sample("in a transaction nothing comes from the cache", async () => {
    const now = await visit(env);
    return connected(env.HYPERDRIVE, async (client) => {
      await client.query("BEGIN");
      const { rows } = await client.query("SELECT count FROM visits");
      await client.query("COMMIT");
      return rows[0].count >= now;
    });
  });
  await sample("the last one is sold once", async () => {
    const id = await connected(env.FRESH, async (client) => {
      const { rows } = await client.query(
        "INSERT INTO products (name, cents, stock) VALUES ($1, 1, 1) RETURNING id",
        [`last of its kind ${crypto.randomUUID()}`],
      );
      return rows[0].id as number;
    });
    const sold = await Promise.all([order(env, id), order(env, id), order(env, id)]);
    await connected(env.FRESH, async (client) => {
      await client.query("DELETE FROM orders WHERE product = $1", [id]);
      await client.query("DELETE FROM products WHERE id = $1", [id]);
    });
    return sold.filter(Boolean).length === 1;
  });
  await sample("thirty clients share few connections", async () => {
    const backends = await Promise.all(
      Array.from({ length: 30 }, () =>
        connected(env.FRESH, async (client) => (await client.query("SELECT pg_backend_pid() AS id")).rows[0].id),
      ),
    );
    return new Set(backends).size < 30;
  });
  return { ok: results.every((result) => result.ok), results };
}
