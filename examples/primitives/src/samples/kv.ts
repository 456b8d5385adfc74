import * as cache from '../services/cache.service';
import * as users from '../services/user.service';
import { failure, must, same, uniqueEmail, type Sample } from './sample';

export const kv: Sample[] = [
  {
    name: 'kv-put-ttl',
    shows: 'put with a TTL of an hour and metadata',
    async run({ env, tag }) {
      await cache.putUser(env, `user:123${tag}`);
      const [key] = await cache.listUsers(env, `user:123${tag}`);
      must(key.expiration, 'a listed key with an expiration');
      const left = key.expiration - Date.now() / 1000;
      must(left > 3500 && left <= 3601, `an expiration in about 3600 s, got ${left}`);
      return key;
    },
  },
  {
    name: 'kv-put-forever',
    shows: 'put without a TTL: the value stays',
    async run({ env, tag }) {
      await cache.putFeatures(env, `config:features${tag}`);
      const [key] = await cache.listUsers(env, `config:features${tag}`);
      same(key.expiration, undefined, 'the expiration');
      return { key, value: await env.CACHE.get(key.name, 'json') };
    },
  },
  {
    name: 'kv-put-expiration',
    shows: 'put with an absolute expiration, a Unix time in seconds',
    async run({ env, tag }) {
      const expiration = await cache.putPromo(env, `promo:summer${tag}`);
      const [key] = await cache.listUsers(env, `promo:summer${tag}`);
      same(key.expiration, expiration, 'the expiration');
      return key;
    },
  },
  {
    name: 'kv-ttl-too-short',
    shows: 'an expiration under 60 seconds is refused',
    async run({ env, tag }) {
      const error = await failure(env.CACHE.put(`user:short${tag}`, 'x', { expirationTtl: 59 }));
      must(error.includes('Expiration TTL must be at least 60'), `the error to say so, got ${error}`);
      return { error };
    },
  },
  {
    name: 'kv-get',
    shows: 'get as text and as JSON; a missing key is null',
    async run({ env, tag }) {
      await cache.putUser(env, `user:123${tag}`);
      const read = await cache.readUser(env, `user:123${tag}`);
      same(read.raw, '{"name":"Mario","role":"admin"}', 'the text');
      same(read.parsed, { name: 'Mario', role: 'admin' }, 'the JSON');
      same(await cache.readUser(env, `user:nobody${tag}`), { raw: null, parsed: null }, 'a missing key');
      return read;
    },
  },
  {
    name: 'kv-get-with-metadata',
    shows: 'getWithMetadata: the value and what was stored beside it',
    async run({ env, tag }) {
      await cache.putUser(env, `user:123${tag}`);
      const read = await cache.readUserWithMetadata(env, `user:123${tag}`);
      same(read, { value: { name: 'Mario', role: 'admin' }, metadata: { source: 'signup', version: 1 } }, 'the pair');
      return read;
    },
  },
  {
    name: 'kv-list',
    shows: 'list by prefix, in pages, with expirations and metadata',
    async run({ env, tag }) {
      const prefix = `list${tag}:user:`;
      for (const id of [2, 1, 3]) await cache.putUser(env, `${prefix}${id}`);
      const keys = await cache.listUsers(env, prefix, 2);
      same(keys.map(key => key.name), [1, 2, 3].map(id => `${prefix}${id}`), 'the names');
      return keys;
    },
  },
  {
    name: 'kv-delete',
    shows: 'delete, of a key that exists and of one that does not',
    async run({ env, tag }) {
      await cache.putUser(env, `user:gone${tag}`);
      await cache.deleteUser(env, `user:gone${tag}`);
      await cache.deleteUser(env, `user:gone${tag}`);
      const after = await env.CACHE.get(`user:gone${tag}`);
      same(after, null, 'the deleted value');
      return { after };
    },
  },
  {
    name: 'kv-cache-aside',
    shows: 'cache-aside: the first read asks D1, the second one KV alone',
    async run({ env }) {
      const user = await users.createUser(uniqueEmail('luigi'), 'Luigi', env);
      const miss = await cache.getUserCached(String(user.id), env);
      await users.deleteUser(user.id, env);
      const hit = await cache.getUserCached(String(user.id), env);
      must(hit, 'a hit after the row is gone');
      same(hit, miss, 'the cached user');
      await cache.deleteUser(env, `user:${user.id}`);
      same(await cache.getUserCached(String(user.id), env), null, 'the user once neither has it');
      return { miss, hit };
    },
  },
  {
    name: 'kv-sessions',
    shows: 'a session in the second namespace, SESSIONS',
    async run({ env }) {
      const id = crypto.randomUUID();
      await cache.putSession(env, id, { userId: 1 });
      const session = await cache.readSession(env, id);
      same(session, { userId: 1 }, 'the session');
      same(await env.CACHE.get(`session:${id}`), null, 'the same key in CACHE');
      return session;
    },
  },
];
