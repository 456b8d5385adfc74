// src/services/cached-user.service.ts
import { getUserById, updateUser, type User } from './user.service';

export interface Env {
  DB: D1Database;
  CACHE: KVNamespace;
}

const USER_CACHE_TTL = 300; // 5 minutes.

// The article awaits the fill of the cache under a comment that says not to: `waitUntil` is passed in and does it.
export async function getUserCached(
  userId: number,
  env: Env,
  waitUntil?: (promise: Promise<unknown>) => void,
): Promise<User | null> {
  const cacheKey = `user:v2:${userId}`;

  // 1. The KV cache first.
  const cached = await env.CACHE.get<User>(cacheKey, 'json');
  if (cached) return cached;

  // 2. A miss: read D1.
  const user = await getUserById(userId, env);
  if (!user) return null;

  // 3. Fill the KV cache in the background, without holding the answer back.
  const fill = env.CACHE.put(cacheKey, JSON.stringify(user), {
    expirationTtl: USER_CACHE_TTL,
  });
  if (waitUntil) waitUntil(fill);
  else await fill;

  return user;
}

export async function invalidateUserCache(userId: number, env: Env): Promise<void> {
  await env.CACHE.delete(`user:v2:${userId}`);
}

// Whoever updates a user invalidates the cache.
export async function updateUserAndInvalidate(
  userId: number,
  updates: Partial<User>,
  env: Env,
): Promise<void> {
  await updateUser(userId, updates, env);
  await invalidateUserCache(userId, env);
}
