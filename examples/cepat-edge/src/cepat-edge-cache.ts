// ADR-005: one Durable Object class for all edge state, several instances of it, each serving the namespaces
// `sessions`, `cache` and `usage`.
//
// What changed against the ADR's sketch:
// - the class extends DurableObject, which RPC and alarms on today's runtime want;
// - state is rows in the object's own SQLite database, which is what storage is now. The sketch keeps the usage log in
//   one value, which would hit the 2 MB limit of a value and be rewritten by every call, and reads every cached value
//   to compute a hit rate. SQL does both in place;
// - `stub.fetch('/sessions/...')` needs a full URL since 2024: src/index.ts makes one.
import { DurableObject } from 'cloudflare:workers';
import { aggregateMetrics, calculateHitRates, readMetrics, type CacheCounters, type CacheStats, type UsageStats } from './stats';

const CACHE_TTL_SECONDS = 300;
const SESSION_TTL_SECONDS = 24 * 60 * 60;

type Namespace = 'sessions' | 'cache';
type Entry = { type: string; value: ArrayBuffer; expires: number };

export class CepatEdgeCache extends DurableObject {
  private readonly sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.sql.exec(`
      CREATE TABLE IF NOT EXISTS entries (
        namespace TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL, value BLOB NOT NULL,
        expires INTEGER NOT NULL, hits INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (namespace, key)
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires);
      CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS usage (endpoint TEXT NOT NULL, status INTEGER NOT NULL, ms REAL NOT NULL, at INTEGER NOT NULL);
    `);
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const pathParts = url.pathname.split('/').filter(Boolean);

    // Route by namespace.
    if (pathParts[0] === 'sessions') {
      return this.handleSessionOperations(request, pathParts.slice(1));
    } else if (pathParts[0] === 'cache') {
      return this.handleCacheOperations(request, pathParts.slice(1));
    } else if (pathParts[0] === 'usage') {
      return this.handleUsageOperations(request, pathParts.slice(1));
    }
    return problem(404, 'unknown namespace');
  }

  // -------- SESSIONS --------

  private async handleSessionOperations(request: Request, path: string[]): Promise<Response> {
    const sessionId = path.join('/');
    if (!sessionId) return problem(400, 'a session id is required');

    switch (request.method) {
      case 'GET': {
        const session = this.read('sessions', sessionId);
        return session ? answer(session) : problem(404, 'no such session');
      }
      case 'PUT': {
        const text = await request.text();
        if (!isJson(text)) return problem(400, 'a session is a JSON document');
        return this.store(request, 'sessions', sessionId, 'application/json', new TextEncoder().encode(text), SESSION_TTL_SECONDS);
      }
      case 'DELETE':
        return this.remove('sessions', sessionId) ? new Response(null, { status: 204 }) : problem(404, 'no such session');
      default:
        return problem(405, 'GET, PUT or DELETE a session');
    }
  }

  // -------- CACHE --------

  private async handleCacheOperations(request: Request, path: string[]): Promise<Response> {
    const cacheKey = path.join('/');
    if (!cacheKey) return request.method === 'GET' ? Response.json(this.getCacheStats()) : problem(405, 'GET the statistics');

    switch (request.method) {
      case 'GET': {
        const entry = this.read('cache', cacheKey);
        this.count(entry ? 'hits' : 'misses');
        if (!entry) return problem(404, 'not cached', { 'X-Cache': 'MISS' });
        this.sql.exec("UPDATE entries SET hits = hits + 1 WHERE namespace = 'cache' AND key = ?", cacheKey);
        return answer(entry, { 'X-Cache': 'HIT' });
      }
      case 'PUT': {
        const type = request.headers.get('Content-Type') ?? 'application/octet-stream';
        return this.store(request, 'cache', cacheKey, type, new Uint8Array(await request.arrayBuffer()), CACHE_TTL_SECONDS);
      }
      case 'DELETE':
        return this.remove('cache', cacheKey) ? new Response(null, { status: 204 }) : problem(404, 'not cached');
      default:
        return problem(405, 'GET, PUT or DELETE a cached value');
    }
  }

  /** Cache performance metrics. Also callable as an RPC method of the stub. */
  getCacheStats(): CacheStats {
    const counters = this.sql.exec<{ name: keyof CacheCounters; value: number }>('SELECT name, value FROM counters').toArray();
    const keys = this.sql
      .exec<{ key: string; hits: number; bytes: number; expires: number }>(
        "SELECT key, hits, length(value) AS bytes, expires FROM entries WHERE namespace = 'cache' AND expires > ? ORDER BY hits DESC, key",
        Date.now(),
      )
      .toArray();
    return calculateHitRates(keys, Object.fromEntries(counters.map(({ name, value }) => [name, value])));
  }

  // -------- USAGE --------

  private async handleUsageOperations(request: Request, path: string[]): Promise<Response> {
    if (path.length > 0) return problem(404, 'usage has no parts');
    if (request.method === 'GET') return Response.json(this.getUsageStats());
    if (request.method !== 'POST') return problem(405, 'POST a metric, or GET the statistics');

    const metrics = readMetrics(await request.text());
    if (!metrics) return problem(400, 'a metric is {"endpoint": string, "status"?: number, "durationMs"?: number}, or an array of them');
    for (const { endpoint, status, durationMs } of metrics) {
      this.sql.exec('INSERT INTO usage VALUES (?, ?, ?, ?)', endpoint, status, durationMs, Date.now());
    }
    return Response.json({ recorded: metrics.length }, { status: 201 });
  }

  /** Usage metrics, aggregated. Also callable as an RPC method of the stub. */
  getUsageStats(): UsageStats {
    return aggregateMetrics(
      this.sql.exec(
        `SELECT endpoint, count(*) AS calls, sum(status >= 400) AS errors, avg(ms) AS averageMs, max(ms) AS slowestMs
         FROM usage GROUP BY endpoint ORDER BY calls DESC, endpoint`,
      ).toArray() as UsageStats['endpoints'],
    );
  }

  // -------- ENTRIES, shared by sessions and cache --------

  private read(namespace: Namespace, key: string): Entry | undefined {
    // The alarm may come late: what has expired is not there, whether it was removed yet or not.
    return this.sql
      .exec<Entry>('SELECT type, value, expires FROM entries WHERE namespace = ? AND key = ? AND expires > ?', namespace, key, Date.now())
      .toArray()[0];
  }

  private async store(request: Request, namespace: Namespace, key: string, type: string, value: Uint8Array, defaultTtl: number) {
    const given = new URL(request.url).searchParams.get('ttl');
    const ttl = given === null ? defaultTtl : Number(given);
    if (!(ttl > 0 && ttl <= 365 * 24 * 60 * 60)) return problem(400, 'ttl is in seconds, more than 0 and at most a year');

    const expires = Date.now() + Math.ceil(ttl * 1000);
    this.sql.exec('INSERT OR REPLACE INTO entries (namespace, key, type, value, expires) VALUES (?, ?, ?, ?, ?)', namespace, key, type, value, expires);
    const alarm = await this.ctx.storage.getAlarm();
    if (alarm === null || expires < alarm) await this.ctx.storage.setAlarm(expires);
    return Response.json({ key, expiresAt: new Date(expires).toISOString() }, { status: 201 });
  }

  private remove(namespace: Namespace, key: string): boolean {
    const existed = this.read(namespace, key) !== undefined;
    this.sql.exec('DELETE FROM entries WHERE namespace = ? AND key = ?', namespace, key);
    return existed;
  }

  private count(name: keyof CacheCounters, by = 1) {
    this.sql.exec('INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value', name, by);
  }

  // The ADR's "automatic cleanup": removes what has expired and sleeps until the next expiry.
  async alarm(): Promise<void> {
    const expired = this.sql.exec("DELETE FROM entries WHERE expires <= ? RETURNING namespace = 'cache' AS cached", Date.now()).toArray();
    this.count('expired', expired.filter(({ cached }) => cached).length);
    const { next } = this.sql.exec<{ next: number | null }>('SELECT min(expires) AS next FROM entries').one();
    if (next !== null) await this.ctx.storage.setAlarm(next);
  }
}

function answer({ type, value, expires }: Entry, headers: Record<string, string> = {}): Response {
  return new Response(value, { headers: { 'Content-Type': type, Expires: new Date(expires).toUTCString(), ...headers } });
}

function problem(status: number, error: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error }, { status, headers });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
