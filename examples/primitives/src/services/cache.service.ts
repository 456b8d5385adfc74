// The article's src/services/cache.service.ts. Its operations stand at top level, where no `env` exists: here each
// is a function of the key, so that a page and the self test can run it side by side.
import { getUserById, type User } from './user.service';

export interface Env {
  CACHE: KVNamespace;
  SESSIONS: KVNamespace;
}

// -------- BASIC OPERATIONS --------

// WRITE: put with an optional TTL (in seconds).
export async function putUser(env: Env, key = 'user:123') {
  await env.CACHE.put(key, JSON.stringify({ name: 'Mario', role: 'admin' }), {
    expirationTtl: 3600, // Expires in an hour.
    metadata: { source: 'signup', version: 1 },
  });
}

// WRITE without a TTL: a value that stays.
export async function putFeatures(env: Env, key = 'config:features') {
  await env.CACHE.put(key, JSON.stringify({ darkMode: true }));
}

// WRITE with an absolute expiration (Unix timestamp).
export async function putPromo(env: Env, key = 'promo:summer') {
  const expiration = Math.floor(Date.now() / 1000) + 86400; // Expires in 24 h.
  await env.CACHE.put(key, 'active', { expiration });
  return expiration;
}

// READ: get with a type of decoding.
export async function readUser(env: Env, key = 'user:123') {
  const raw = await env.CACHE.get(key);
  // raw: string | null

  const parsed = await env.CACHE.get<{ name: string; role: string }>(key, 'json');
  // parsed: { name: string; role: string } | null

  return { raw, parsed };
}

// READ with metadata.
export async function readUserWithMetadata(env: Env, key = 'user:123') {
  const { value, metadata } = await env.CACHE.getWithMetadata<
    { name: string; role: string },
    { source: string; version: number }
  >(key, 'json');
  return { value, metadata };
}

// DELETE.
export async function deleteUser(env: Env, key = 'user:123') {
  await env.CACHE.delete(key);
}

// -------- LISTING (with limits) --------
// KV lists at most 1000 keys per call, in the order of their bytes; `cursor` continues a list that is not complete.
export async function listUsers(env: Env, prefix = 'user:', limit = 100) {
  const keys: KVNamespaceListKey<unknown>[] = [];
  let cursor: string | undefined;
  do {
    const listing = await env.CACHE.list({ prefix, limit, cursor });
    keys.push(...listing.keys);
    cursor = listing.list_complete ? undefined : listing.cursor;
  } while (cursor);
  for (const key of keys) {
    console.log(key.name, key.expiration, key.metadata);
  }
  return keys;
}

// -------- PATTERN: cache-aside --------
export async function getUserCached(userId: string, env: Env & { DB: D1Database }): Promise<User | null> {
  const cacheKey = `user:${userId}`;

  // 1. Look into the KV cache.
  const cached = await env.CACHE.get<User>(cacheKey, 'json');
  if (cached) {
    return cached;
  }

  // 2. A miss: ask the origin.
  const user = await fetchUserFromDatabase(userId, env);
  if (!user) return null;

  // 3. Fill the cache (eventually consistent, fine for user profiles).
  await env.CACHE.put(cacheKey, JSON.stringify(user), {
    expirationTtl: 300, // 5 minutes.
  });

  return user;
}

// The article calls this function without showing it: D1 is the origin here.
function fetchUserFromDatabase(userId: string, env: { DB: D1Database }) {
  return getUserById(Number(userId), env);
}

// -------- SESSIONS: the article's second namespace --------

export async function putSession(env: Env, id: string, session: { userId: number }) {
  await env.SESSIONS.put(`session:${id}`, JSON.stringify(session), { expirationTtl: 60 * 60 * 24 });
}

export function readSession(env: Env, id: string) {
  return env.SESSIONS.get<{ userId: number }>(`session:${id}`, 'json');
}
