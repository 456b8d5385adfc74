import { must, same, type Sample } from './sample';

export const module: Sample[] = [
  {
    name: 'module-kv',
    shows: 'MY_KV: write, read, and a key that deletes itself',
    async run({ env, handle }) {
      const answer = await handle(new Request('http://example.com/module/kv'));
      const text = await answer.text();
      same(text, 'Hello from edge caching!', 'the answer');
      const { keys } = await env.MY_KV.list({ prefix: 'session_id' });
      must(keys[0]?.expiration, 'an expiration of session_id');
      return { text, session: keys[0] };
    },
  },
  {
    name: 'module-d1',
    shows: 'MY_DB: a user by email: 404 before there is one, the row after',
    async run({ env, handle }) {
      // The module's address is fixed, and another run may be at it: each half is tried until it has its way.
      const lookup = async (status: number, prepare: D1PreparedStatement) => {
        for (let tries = 0; tries < 10; tries++) {
          await prepare.bind('user@example.com').run();
          const answer = await handle(new Request('http://example.com/module/d1'));
          if (answer.status === status) return answer;
        }
        throw new Error(`expected: status ${status}`);
      };
      const missing = await lookup(404, env.MY_DB.prepare('DELETE FROM Users WHERE email = ?'));
      same(await missing.text(), 'Not found', 'the lookup of nobody');
      const found = await lookup(200, env.MY_DB.prepare("INSERT OR IGNORE INTO Users (email, name) VALUES (?, 'User')"));
      const user = await found.json<{ email: string }>();
      same(user.email, 'user@example.com', 'the lookup');
      return { missing: missing.status, user };
    },
  },
  {
    name: 'module-durable-object',
    shows: 'CHAT_ROOMS: idFromName, get, and the request forwarded to that one object',
    async run({ handle }) {
      const text = `hello ${crypto.randomUUID()}`;
      const body = JSON.stringify({ author: 'mario', text });
      const said = await handle(new Request('http://example.com/module/chat-room', { method: 'POST', body }));
      same(said.status, 201, 'the status of saying something');
      const answer = await handle(new Request('http://example.com/module/chat-room'));
      const read = await answer.json<{ messages: { text: string }[] }>();
      must(read.messages.some(message => message.text === text), 'the message in the room');
      return read;
    },
  },
  {
    name: 'module-r2',
    shows: 'MY_BUCKET: PUT streams an upload in, GET streams it out, 404 for what is not there',
    async run({ tag, handle }) {
      const url = `http://example.com/module/bucket/image${tag}.png`;
      const put = await handle(new Request(url, { method: 'PUT', body: new Uint8Array([0x89, 0x50, 0x4e, 0x47]) }));
      same(await put.text(), 'Uploaded successfully!', 'the answer to PUT');
      const bytes = [...(await (await handle(new Request(url))).bytes())];
      same(bytes, [0x89, 0x50, 0x4e, 0x47], 'the bytes');
      const missing = await handle(new Request(`${url}.missing`));
      same([missing.status, await missing.text()], [404, 'Object Not Found'], 'a missing object');
      return { bytes };
    },
  },
];
