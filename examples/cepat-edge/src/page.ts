const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CepatEdge</title>
<style>
  :root {
    color-scheme: light dark;
    --ink: light-dark(#1b1b1f, #e6e6ea); --soft: light-dark(#62626b, #a0a0aa);
    --paper: light-dark(#fafaf8, #16161a); --card: light-dark(#fff, #1f1f25);
    --line: light-dark(#e3e3df, #33333b); --link: light-dark(#1d5fbf, #8ab8ff);
  }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
  main { max-width: 54rem; margin: 0 auto; padding: 3rem 1.25rem 5rem; }
  h1 { margin: 0; font-size: 2rem; letter-spacing: -.02em; }
  h2 { margin: 2.5rem 0 .75rem; font-size: 1.1rem; }
  p { max-width: 44rem; color: var(--soft); margin: .5rem 0; }
  a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
  code, pre { font: 14px/1.6 ui-monospace, monospace; }
  pre { overflow-x: auto; margin: 0; padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
</style>
<main>
<h1>CepatEdge</h1>
<p>ADR-005 at work: one Durable Object class for all edge state, three instances of it. <a href="/check">/check</a> tries every route.</p>
<h2>Sessions, in the instance <code>sessions</code></h2>
<pre>PUT    /sessions/user-123?ttl=3600   {"user": 123}
GET    <a href="/sessions/user-123">/sessions/user-123</a>
DELETE /sessions/user-123</pre>
<h2>Cache, in the instance <code>cache:users</code></h2>
<pre>PUT    /cache/profile-456?ttl=60     any bytes; 300 seconds without a ttl
GET    <a href="/cache/profile-456">/cache/profile-456</a>            X-Cache: HIT or MISS
DELETE /cache/profile-456
GET    <a href="/cache">/cache</a>                        entries, hits, misses, hit rate</pre>
<h2>Usage, in the instance <code>usage:api</code></h2>
<pre>POST   /usage                        {"endpoint": "/users", "status": 200, "durationMs": 12}
GET    <a href="/usage">/usage</a>                        calls, errors, average time, by endpoint</pre>
<p>Calls to the first two are tracked in the third.</p>
</main>
</html>
`;

export function page(): Response {
  return new Response(PAGE, { headers: { 'Content-Type': 'text/html; charset=utf-8' } });
}
