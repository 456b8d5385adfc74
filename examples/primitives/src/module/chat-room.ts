// The class behind CHAT_ROOMS, which the module calls out of its scope: POST says something, GET reads the room.
import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../env';

type Message = { id: number; author: string; text: string };

export class ChatRoom extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL)');
  }

  async fetch(request: Request): Promise<Response> {
    const { sql } = this.ctx.storage;
    if (request.method === 'POST') {
      const { author, text } = await request.json<Message>();
      const said = sql
        .exec<Message>('INSERT INTO messages (author, text) VALUES (?, ?) RETURNING id, author, text', author, text)
        .one();
      return Response.json(said, { status: 201 });
    }
    const messages = sql.exec<Message>('SELECT id, author, text FROM messages ORDER BY id DESC LIMIT 20').toArray();
    return Response.json({ room: this.ctx.id.name, messages });
  }
}
