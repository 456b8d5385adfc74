// Sessions: read-after-write consistency and an index per customer. One Durable Object holds a customer's sessions.
import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../env';
import { select } from './provider';

export type Session = { id: string; expiresAt: number };

const LIFETIME_MS = 24 * 60 * 60 * 1000;

interface SessionStore {
  open(customer: string): Promise<Session>;
  list(customer: string): Promise<Session[]>;
  close(customer: string, id: string): Promise<boolean>;
}

export class SessionDurableObject extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, expiresAt INTEGER NOT NULL)');
  }

  open(): Session {
    const session = { id: crypto.randomUUID(), expiresAt: Date.now() + LIFETIME_MS };
    this.ctx.storage.sql.exec('INSERT INTO sessions VALUES (?, ?)', session.id, session.expiresAt);
    return session;
  }

  list(): Session[] {
    return this.ctx.storage.sql
      .exec<Session>('SELECT * FROM sessions WHERE expiresAt > ? ORDER BY expiresAt, id', Date.now())
      .toArray();
  }

  close(id: string): boolean {
    const deleted = this.ctx.storage.sql.exec('DELETE FROM sessions WHERE id = ?', id);
    return deleted.rowsWritten > 0;
  }
}

const memory = new Map<string, Session[]>();

export function sessions(env: Env): SessionStore {
  const namespace = env.SESSION_DO;
  return select<SessionStore>('sessions', env.SESSION_STORE_PROVIDER, {
    cloudflare: namespace && {
      open: customer => namespace.getByName(customer).open(),
      list: customer => namespace.getByName(customer).list(),
      close: (customer, id) => namespace.getByName(customer).close(id),
    },
    memory: {
      async open(customer) {
        const session = { id: crypto.randomUUID(), expiresAt: Date.now() + LIFETIME_MS };
        memory.set(customer, [...(memory.get(customer) ?? []), session]);
        return session;
      },
      async list(customer) {
        return (memory.get(customer) ?? []).filter(({ expiresAt }) => expiresAt > Date.now());
      },
      async close(customer, id) {
        const before = memory.get(customer) ?? [];
        memory.set(customer, before.filter(session => session.id !== id));
        return before.some(session => session.id === id);
      },
    },
  });
}
