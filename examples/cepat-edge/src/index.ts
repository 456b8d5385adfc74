// The Worker in front of ADR-005's Durable Objects: it picks the instance by the namespace in the path.
import type { CepatEdgeCache } from './cepat-edge-cache';
import { check } from './check';
import { page } from './page';

export { CepatEdgeCache } from './cepat-edge-cache';

export interface Env {
  CEPATEDGE_CACHE: DurableObjectNamespace<CepatEdgeCache>;
}

/** The stub of an instance: 'sessions', 'cache:users', 'usage:api', or another of the same scheme. */
export function instance(name: string, env: Env) {
  return env.CEPATEDGE_CACHE.get(env.CEPATEDGE_CACHE.idFromName(name));
}

// Different instances for different data.
const INSTANCES: Record<string, string> = {
  sessions: 'sessions',
  cache: 'cache:users',
  usage: 'usage:api',
};

async function fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  const namespace = pathname.split('/')[1];
  if (pathname === '/') return page();
  if (pathname === '/check') {
    const report = await check(env, request => fetch(request, env, ctx));
    return Response.json(report, { status: report.ok ? 200 : 500 });
  }
  const name = INSTANCES[namespace];
  if (!name) return Response.json({ error: 'not found' }, { status: 404 });

  const started = Date.now();
  const response = await instance(name, env).fetch(request);
  if (namespace !== 'usage') {
    // The ADR's API call tracking, after the answer.
    const metric = { endpoint: `${request.method} /${namespace}`, status: response.status, durationMs: Date.now() - started };
    ctx.waitUntil(track(metric, env));
  }
  return response;
}

async function track(metric: object, env: Env) {
  const response = await instance(INSTANCES.usage, env).fetch('https://cepat-edge/usage', {
    method: 'POST',
    body: JSON.stringify(metric),
  });
  await response.body?.cancel();
}

export default { fetch } satisfies ExportedHandler<Env>;
