// The self test behind /check: every route of the ADR, and the statistics on instances of its own.
import { instance, type Env } from './index';

type Handle = (request: Request) => Promise<Response>;

function same(actual: unknown, expected: unknown, what: string) {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`expected ${what} to be ${e}, got ${a}`);
}

export async function check(env: Env, handle: Handle) {
  const id = crypto.randomUUID();
  const call = (method: string, path: string, body?: BodyInit) =>
    handle(new Request(`https://cepat-edge${path}`, { method, body }));
  // An instance of the ADR's naming scheme that nobody else counts on.
  const cache = instance(`cache:check-${id}`, env);
  const usage = instance(`usage:check-${id}`, env);
  const direct = (stub: typeof cache, method: string, path: string, body?: BodyInit) =>
    stub.fetch(`https://cepat-edge${path}`, { method, body });

  const cases: Record<string, () => Promise<unknown>> = {
    async sessions() {
      same((await call('GET', `/sessions/${id}`)).status, 404, 'a session that is not there');
      same((await call('PUT', `/sessions/${id}`, '{"user":123}')).status, 201, 'the status of PUT');
      same(await (await call('GET', `/sessions/${id}`)).json(), { user: 123 }, 'the session');
      same((await call('PUT', `/sessions/${id}`, 'not json')).status, 400, 'a session that is not JSON');
      same((await call('DELETE', `/sessions/${id}`)).status, 204, 'the status of DELETE');
      same((await call('DELETE', `/sessions/${id}`)).status, 404, 'the status of a second DELETE');
      return (await call('GET', `/sessions/${id}`)).status;
    },
    async cache() {
      same((await call('GET', `/cache/${id}`)).headers.get('X-Cache'), 'MISS', 'the first read');
      const put = await call('PUT', `/cache/${id}?ttl=60`, new Uint8Array([0, 255, 7]));
      same(put.status, 201, 'the status of PUT');
      const hit = await call('GET', `/cache/${id}`);
      same([hit.headers.get('X-Cache'), [...(await hit.bytes())]], ['HIT', [0, 255, 7]], 'the second read');
      same((await call('PUT', `/cache/${id}?ttl=soon`, 'x')).status, 400, 'a ttl that is no number');
      same((await call('DELETE', `/cache/${id}`)).status, 204, 'the status of DELETE');
      same((await call('GET', `/cache/${id}`)).status, 404, 'the read after it');
      return put.json();
    },
    async 'cache statistics'() {
      await direct(cache, 'PUT', '/cache/profile-456', 'data');
      for (const key of ['profile-456', 'profile-456', 'profile-456', 'profile-789']) {
        await (await direct(cache, 'GET', `/cache/${key}`)).body?.cancel();
      }
      const stats = await cache.getCacheStats();
      same([stats.entries, stats.bytes, stats.hits, stats.misses, stats.hitRate], [1, 4, 3, 1, 0.75], 'the statistics');
      same(await (await direct(cache, 'GET', '/cache')).json(), stats, 'the same over HTTP');
      return stats;
    },
    async 'cache expiry'() {
      await direct(cache, 'PUT', '/cache/short?ttl=0.2', 'soon gone');
      same((await direct(cache, 'GET', '/cache/short')).status, 200, 'the read before the expiry');
      await scheduler.wait(300);
      same((await direct(cache, 'GET', '/cache/short')).status, 404, 'the read after the expiry');
      for (let tries = 0; tries < 50 && (await cache.getCacheStats()).expired === 0; tries++) await scheduler.wait(100);
      const { entries, expired } = await cache.getCacheStats();
      same([entries, expired], [1, 1], 'the entries, and those the alarm removed');
      return { entries, expired };
    },
    async usage() {
      for (const metric of [
        { endpoint: '/users', durationMs: 10 },
        { endpoint: '/users', durationMs: 30, status: 500 },
        [{ endpoint: '/orders', durationMs: 5 }, { endpoint: '/users', durationMs: 20 }],
      ]) {
        same((await direct(usage, 'POST', '/usage', JSON.stringify(metric))).status, 201, 'the status of POST');
      }
      same((await direct(usage, 'POST', '/usage', '{"path":"/"}')).status, 400, 'a metric without an endpoint');
      const stats = await usage.getUsageStats();
      same([stats.calls, stats.errors, stats.errorRate, stats.averageMs], [4, 1, 0.25, 16.25], 'the totals');
      same(stats.endpoints[0], { endpoint: '/users', calls: 3, errors: 1, averageMs: 20, slowestMs: 30 }, 'one endpoint');
      same(await (await direct(usage, 'GET', '/usage')).json(), stats, 'the same over HTTP');
      return stats;
    },
    async 'call tracking'() {
      const endpoint = 'GET /cache';
      const calls = async () => {
        const stats = await instance('usage:api', env).getUsageStats();
        return stats.endpoints.find(e => e.endpoint === endpoint)?.calls ?? 0;
      };
      const before = await calls();
      await (await call('GET', '/cache')).body?.cancel();
      for (let tries = 0; tries < 50 && (await calls()) <= before; tries++) await scheduler.wait(20);
      if ((await calls()) <= before) throw new Error('expected the call to be tracked');
      return { endpoint, tracked: true };
    },
    async 'unknown paths'() {
      const statuses = [];
      for (const [method, path] of [['GET', '/nothing'], ['PATCH', `/sessions/${id}`], ['POST', '/cache/x'], ['DELETE', '/usage'], ['GET', '/sessions']]) {
        statuses.push((await call(method, path)).status);
      }
      same(statuses, [404, 405, 405, 405, 400], 'the statuses');
      return statuses;
    },
  };

  const results: { name: string; ok: boolean; detail: unknown }[] = [];
  for (const [name, run] of Object.entries(cases)) {
    try {
      results.push({ name, ok: true, detail: await run() });
    } catch (error) {
      results.push({ name, ok: false, detail: String(error) });
    }
  }
  return { ok: results.every(({ ok }) => ok), results };
}
