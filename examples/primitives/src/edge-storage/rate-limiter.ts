// Login rate limiting in KV, as the reference has it. It leaks by design: KV has no atomic increment, takes one write
// per second and key, and shows a write elsewhere after up to a minute. A limit that must hold belongs in a Durable
// Object, or in one SQL statement (`UPDATE ... WHERE attempts < ? RETURNING`).
import type { Env } from '../env';
import { select } from './provider';

const ATTEMPTS = 5;
const WINDOW_SECONDS = 60;

interface Counters {
  get(key: string): Promise<number>;
  put(key: string, attempts: number): Promise<void>;
}

const memory = new Map<string, number>();

export async function attemptLogin(
  who: string,
  env: Env,
  now = Date.now(),
): Promise<{ allowed: boolean; attempts: number }> {
  const namespace = env.LOGIN_RATE_LIMIT_KV;
  const counters = select<Counters>('login rate limit', env.RATE_LIMIT_STORE_PROVIDER, {
    kv: namespace && {
      get: async key => Number((await namespace.get(key)) ?? 0),
      put: (key, attempts) => namespace.put(key, String(attempts), { expirationTtl: WINDOW_SECONDS }),
    },
    memory: {
      get: async key => memory.get(key) ?? 0,
      put: async (key, attempts) => void memory.set(key, attempts),
    },
  });

  // The window is part of the key: it ends at a set time, however often the counter is written.
  const key = `login:${who}:${Math.floor(now / 1000 / WINDOW_SECONDS)}`;
  const attempts = (await counters.get(key)) + 1;
  if (attempts <= ATTEMPTS) await counters.put(key, attempts);
  return { allowed: attempts <= ATTEMPTS, attempts };
}
