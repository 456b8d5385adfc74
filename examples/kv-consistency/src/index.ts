import { check } from "./check";
import { open, type Store } from "./subscriptions";

const PAGE = `<!doctype html><title>kv-consistency</title>
<h1>Consistency collision</h1>
<p>Subscriptions in KV (up to a minute stale at other locations) and in D1.
<ul>
<li><a href="/check?store=kv">check with KV</a>: fails, who has paid in Amsterdam is not let in in Tokyo
<li><a href="/check?store=d1">the same check with D1</a>: passes
<li><a href="/premium?user=ada&store=kv">the premium page, KV</a>
<li><a href="/premium?user=ada&store=d1">the premium page, D1</a>
<li><a href="/where">where this request came in</a>
</ul>`;

export default {
  async fetch(request, env): Promise<Response> {
    const { origin, pathname, searchParams } = new URL(request.url);
    const store: Store = searchParams.get("store") === "d1" ? "d1" : "kv";
    const user = searchParams.get("user") ?? "ada";
    const subscriptions = open(env, store);
    switch (`${request.method} ${pathname}`) {
      case "GET /":
        return new Response(PAGE, { headers: { "content-type": "text/html;charset=utf-8" } });
      case "GET /premium": {
        const plan = await subscriptions.plan(user);
        return new Response(`${user} has the plan ${plan}`, { status: plan === "premium" ? 200 : 402 });
      }
      case "POST /pay":
        await subscriptions.subscribe(user, "premium");
        return new Response("thank you");
      case "GET /where":
        return new Response(String(request.cf?.colo));
      case "GET /check": {
        const report = await check(origin, store);
        return Response.json(report, { status: report.ok ? 200 : 500 });
      }
      default:
        return new Response("no such page", { status: 404 });
    }
  },
} satisfies ExportedHandler<Env>;
