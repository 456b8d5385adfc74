// What the ADR's `aggregateMetrics` and `calculateHitRates` compute from what the object has stored.

export interface Metric {
  endpoint: string;
  status: number;
  durationMs: number;
}

export interface UsageStats {
  calls: number;
  errors: number;
  errorRate: number;
  averageMs: number;
  endpoints: { endpoint: string; calls: number; errors: number; averageMs: number; slowestMs: number }[];
}

export interface CacheCounters {
  hits?: number;
  misses?: number;
  expired?: number;
}

export interface CacheStats extends Required<CacheCounters> {
  entries: number;
  bytes: number;
  hitRate: number;
  /** The ten most read. */
  keys: { key: string; hits: number; bytes: number; expires: number }[];
}

/** One metric or several from a request's text, or null if it is something else. */
export function readMetrics(text: string): Metric[] | null {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return null;
  }
  const metrics = (Array.isArray(given) ? given : [given]).map(metric => ({ status: 200, durationMs: 0, ...metric }));
  const valid = ({ endpoint, status, durationMs }: Metric) =>
    typeof endpoint === 'string' && endpoint !== '' && Number.isInteger(status) && Number.isFinite(durationMs);
  return metrics.every(valid) ? metrics : null;
}

export function aggregateMetrics(endpoints: UsageStats['endpoints']): UsageStats {
  const sum = (of: (endpoint: UsageStats['endpoints'][number]) => number) => endpoints.reduce((total, e) => total + of(e), 0);
  const calls = sum(e => e.calls);
  const errors = sum(e => e.errors);
  return {
    calls,
    errors,
    errorRate: calls ? errors / calls : 0,
    averageMs: calls ? sum(e => e.averageMs * e.calls) / calls : 0,
    endpoints,
  };
}

export function calculateHitRates(keys: CacheStats['keys'], { hits = 0, misses = 0, expired = 0 }: CacheCounters): CacheStats {
  return {
    entries: keys.length,
    bytes: keys.reduce((total, { bytes }) => total + bytes, 0),
    hits,
    misses,
    expired,
    hitRate: hits + misses ? hits / (hits + misses) : 0,
    keys: keys.slice(0, 10),
  };
}
