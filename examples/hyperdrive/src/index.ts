import { check } from "./check";
import { order, products, visit } from "./shop";

/** Of this isolate, since it started. */
const seen = { hits: 0, misses: 0, saved: 0 };

async function page(env: Env): Promise<string> {
  const now = await visit(env);
  const [kept, fresh] = [await products(env.HYPERDRIVE), await products(env.FRESH)];
  // Who asked the database was told of this visit.
  const hit = kept.visits < now;
  if (hit) {
    seen.hits += 1;
    seen.saved += fresh.ms - kept.ms;
  } else {
    seen.misses += 1;
  }
  const rows = fresh.products.map(
    ({ id, name, cents, stock }) =>
      `<tr><td>${name}<td>${(cents / 100).toFixed(2)}<td>${stock}<td><form method=post action=/order?product=${id}><button>order</button></form>`,
  );
  return `<!doctype html><title>A shop's own Postgres</title>
<h1>A shop's own Postgres</h1>
<table><tr><th>product<th>price<th>in stock<th>${rows.join("\n")}</table>
<p>Visit ${now}. This page read the products twice: through the cache in ${kept.ms.toFixed(0)} ms (a ${hit ? "hit" : "miss"}),
and from the database in ${fresh.ms.toFixed(0)} ms.
<p>So far <b>${seen.hits}</b> hits, <b>${seen.misses}</b> misses, <b>${seen.saved.toFixed(0)}</b> ms saved.
<p><a href=/>again</a> · <a href=/check>check</a>`;
}

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    switch (`${request.method} ${pathname}`) {
      case "GET /":
        return new Response(await page(env), { headers: { "content-type": "text/html;charset=utf-8" } });
      case "POST /order": {
        const sold = await order(env, Number(searchParams.get("product")));
        return sold ? Response.redirect(new URL("/", request.url).href, 303) : new Response("sold out", { status: 409 });
      }
      case "GET /check": {
        const report = await check(env);
        return Response.json(report, { status: report.ok ? 200 : 500 });
      }
      default:
        return new Response("no such page", { status: 404 });
    }
  },
} satisfies ExportedHandler<Env>;
