import * as cached from '../services/cached-user.service';
import * as drizzle from '../services/user.drizzle.service';
import * as users from '../services/user.service';
import { failure, must, same, uniqueEmail, type Sample } from './sample';

export const d1: Sample[] = [
  {
    name: 'd1-migrations',
    shows: 'the tables and indexes of migrations/0001_create_users_table.sql',
    async run({ env }) {
      const { results } = await env.DB
        .prepare("SELECT type, name FROM sqlite_schema WHERE name LIKE 'idx_%' OR name IN ('users', 'sessions') ORDER BY name")
        .all();
      same(
        results.map(({ name }) => name),
        ['idx_sessions_expires', 'idx_sessions_user_id', 'idx_users_email', 'idx_users_role', 'sessions', 'users'],
        'the schema',
      );
      return results;
    },
  },
  {
    name: 'd1-create-user',
    shows: 'INSERT ... RETURNING *: the row with its id and its defaults',
    async run({ env }) {
      const email = uniqueEmail('mario');
      const user = await users.createUser(email, 'Mario', env);
      same([user.email, user.name, user.role], [email, 'Mario', 'user'], 'the row');
      must(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(user.created_at), `created_at to be a time, got ${user.created_at}`);
      const error = await failure(users.createUser(email, 'Mario again', env));
      must(error.includes('UNIQUE constraint failed: users.email'), `a duplicate email to be refused, got ${error}`);
      await users.deleteUser(user.id, env);
      return { user, error };
    },
  },
  {
    name: 'd1-get-user',
    shows: 'first(): one row, or null',
    async run({ env }) {
      const user = await users.createUser(uniqueEmail('mario'), 'Mario', env);
      same(await users.getUserById(user.id, env), user, 'the row by id');
      await users.deleteUser(user.id, env);
      same(await users.getUserById(user.id, env), null, 'the row after it was deleted');
      return user;
    },
  },
  {
    name: 'd1-users-by-role',
    shows: 'all(): the rows of a query with a bound parameter',
    async run({ env }) {
      const role = `editor-${crypto.randomUUID()}`;
      const made = [];
      for (const name of ['Anna', 'Bruno']) {
        const user = await users.createUser(uniqueEmail(name), name, env);
        await users.updateUser(user.id, { role }, env);
        made.push(user);
      }
      const found = await users.getUsersByRole(role, env);
      same(found.map(({ id }) => id).sort(), made.map(({ id }) => id).sort(), 'the users of the role');
      for (const { id } of made) await users.deleteUser(id, env);
      return found;
    },
  },
  {
    name: 'd1-pagination',
    shows: 'LIMIT and OFFSET beside COUNT(*)',
    async run({ env }) {
      const made = [];
      for (const name of ['Anna', 'Bruno', 'Carla']) made.push(await users.createUser(uniqueEmail(name), name, env));
      const { total, totalPages } = (await users.getUsers(1, 2, env)).pagination;
      must(total >= 3 && totalPages === Math.ceil(total / 2), `at least 3 users in pages of 2, got ${total} in ${totalPages}`);
      const last = await users.getUsers(totalPages, 2, env);
      must(last.users.length >= 1 && last.users.length <= 2, 'a last page of one or two users');
      for (const { id } of made) await users.deleteUser(id, env);
      return last;
    },
  },
  {
    name: 'd1-update-user',
    shows: 'an UPDATE of the fields that were given',
    async run({ env }) {
      const user = await users.createUser(uniqueEmail('mario'), 'Mario', env);
      await users.updateUser(user.id, { name: 'Super Mario' }, env);
      await users.updateUser(user.id, {}, env);
      const after = await users.getUserById(user.id, env);
      same([after?.name, after?.role], ['Super Mario', 'user'], 'the row');
      await users.deleteUser(user.id, env);
      return after;
    },
  },
  {
    name: 'd1-batch',
    shows: 'a batch: a user and, by last_insert_rowid(), their session, in one transaction',
    async run({ env }) {
      const sessionId = crypto.randomUUID();
      const expires = new Date(Date.now() + 86_400_000);
      const user = await users.createUserWithSession(uniqueEmail('peach'), 'Peach', sessionId, expires, env);
      same(await users.getSessionIds(user.id, env), [sessionId], "the user's sessions");

      const email = uniqueEmail('daisy');
      const error = await failure(users.createUserWithSession(email, 'Daisy', sessionId, expires, env));
      must(error.includes('UNIQUE constraint failed: sessions.id'), `the second session to be refused, got ${error}`);
      const left = await env.DB.prepare('SELECT id FROM users WHERE email = ?').bind(email).first();
      same(left, null, 'the user of the batch that failed');

      await users.deleteUser(user.id, env);
      return { user, sessionId, error };
    },
  },
  {
    name: 'd1-foreign-keys',
    shows: "foreign keys hold: no session without a user, and ON DELETE CASCADE",
    async run({ env }) {
      const orphan = env.DB.prepare("INSERT INTO sessions (id, user_id, expires_at) VALUES (?, -1, '2030-01-01')");
      const error = await failure(orphan.bind(crypto.randomUUID()).run());
      must(error.includes('FOREIGN KEY constraint failed'), `the orphan to be refused, got ${error}`);
      const user = await users.createUserWithSession(uniqueEmail('toad'), 'Toad', crypto.randomUUID(), new Date(), env);
      must(await users.deleteUser(user.id, env), 'a deleted user');
      const sessions = await users.getSessionIds(user.id, env);
      same(sessions, [], "the deleted user's sessions");
      return { error, sessions };
    },
  },
  {
    name: 'drizzle',
    shows: 'Drizzle ORM on D1: insert returning, select by id, admins, count by role',
    async run({ env }) {
      const email = uniqueEmail('drizzle');
      const user = await drizzle.createUser({ email, name: 'Yoshi', role: 'admin' }, env);
      same([user.email, user.role, typeof user.createdAt], [email, 'admin', 'string'], 'the inserted row');
      same(await drizzle.getUserById(user.id, env), user, 'the selected row');
      must((await drizzle.getAdminUsers(env)).some(({ id }) => id === user.id), 'the user among the admins');
      const roles = await drizzle.countUsersByRole(env);
      must(roles.find(({ role }) => role === 'admin')?.total, 'a count of admins');
      await users.deleteUser(user.id, env);
      same(await drizzle.getUserById(user.id, env), undefined, 'the deleted row');
      return { user, roles };
    },
  },
  {
    name: 'kv-in-front-of-d1',
    shows: 'KV as the cache of D1, filled after the answer and invalidated by an update',
    async run({ env }) {
      const user = await users.createUser(uniqueEmail('wario'), 'Wario', env);
      await cached.getUserCached(user.id, env);
      await users.updateUser(user.id, { name: 'Waluigi' }, env);
      const stale = await cached.getUserCached(user.id, env);
      same(stale?.name, 'Wario', 'the name that KV still has');
      await cached.updateUserAndInvalidate(user.id, { role: 'moderator' }, env);
      const fresh = await cached.getUserCached(user.id, env);
      same([fresh?.name, fresh?.role], ['Waluigi', 'moderator'], 'the row after the invalidation');
      await cached.invalidateUserCache(user.id, env);
      await users.deleteUser(user.id, env);
      return { stale, fresh };
    },
  },
];
