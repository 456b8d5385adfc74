import * as storage from '../services/storage.service';
import { must, same, type Context, type Sample } from './sample';

// "%PDF-1.7" and some bytes that are not text.
const PDF = new Uint8Array([0x25, 0x50, 0x44, 0x46, 0x2d, 0x31, 0x2e, 0x37, 0x0a, 0x00, 0xff, 0xfe, 0x80, 0x0a]);

async function upload({ handle }: Context, name: string) {
  const form = new FormData();
  form.set('file', new File([PDF], name, { type: 'application/pdf' }));
  const answer = await handle(new Request('http://example.com/upload', { method: 'POST', body: form }));
  same(answer.status, 200, 'the status of the upload');
  return answer.json<{ key: string; size: number; type: string }>();
}

const file = (key: string, init?: RequestInit) => new Request(`http://example.com/files/${key}`, init);

export const r2: Sample[] = [
  {
    name: 'r2-put-text',
    shows: 'a text with HTTP metadata and metadata of its own',
    async run({ env, tag }) {
      await storage.putReadme(env, `documents/readme.txt${tag}`);
      const object = await env.ASSETS.get(`documents/readme.txt${tag}`);
      must(object, 'the object');
      same(await object.text(), 'Contenuto del file', 'the text');
      same(object.httpMetadata?.contentType, 'text/plain; charset=utf-8', 'the content type');
      same(object.customMetadata, { uploadedBy: 'user-123', version: '1' }, 'the custom metadata');
      return object;
    },
  },
  {
    name: 'r2-put-json',
    shows: 'a JSON document, read back as one',
    async run({ env, tag }) {
      await storage.putUsersJson(env, `data/users.json${tag}`);
      const object = await env.ASSETS.get(`data/users.json${tag}`);
      const users = await object?.json();
      same(users, { users: [{ id: 1, name: 'Mario' }] }, 'the document');
      return users;
    },
  },
  {
    name: 'r2-form-upload',
    shows: 'a file from a multipart form, streamed into the bucket',
    async run(context) {
      const uploaded = await upload(context, 'documento.pdf');
      same([uploaded.size, uploaded.type], [PDF.length, 'application/pdf'], 'the upload');
      const object = await context.env.ASSETS.get(uploaded.key);
      same([...(await object!.bytes())], [...PDF], 'the stored bytes');
      same(object!.customMetadata?.originalName, 'documento.pdf', 'the original name');

      const empty = await context.handle(new Request('http://example.com/upload', { method: 'POST', body: new FormData() }));
      same([empty.status, await empty.text()], [400, 'No file provided'], 'a form without a file');
      await storage.deleteOne(context.env, uploaded.key);
      return uploaded;
    },
  },
  {
    name: 'r2-download',
    shows: 'a download with its content type, its etag and a cache header',
    async run({ env, tag, handle }) {
      await storage.putReadme(env, `documents/readme.txt${tag}`);
      const answer = await handle(new Request(`http://example.com/assets/documents/readme.txt${tag}`));
      same(answer.status, 200, 'the status');
      same(answer.headers.get('content-type'), 'text/plain; charset=utf-8', 'the content type');
      same(answer.headers.get('cache-control'), 'public, max-age=31536000, immutable', 'the cache header');
      must(/^"[0-9a-f]{32}"$/.test(answer.headers.get('etag') ?? ''), 'a quoted etag');
      same(await answer.text(), 'Contenuto del file', 'the body');
      const missing = await handle(new Request('http://example.com/assets/nothing/here'));
      same([missing.status, await missing.text()], [404, 'Not Found'], 'a missing key');
      return Object.fromEntries(answer.headers);
    },
  },
  {
    name: 'r2-list',
    shows: 'the uploads under a prefix, with their custom metadata',
    async run(context) {
      const uploaded = await upload(context, 'listed.pdf');
      const prefix = uploaded.key.slice('uploads/'.length, -'listed.pdf'.length);
      const listed = await storage.listUploads(prefix, context.env);
      same(listed.map(({ key, size }) => [key, size]), [[uploaded.key, PDF.length]], 'the list');
      same(listed[0].customMetadata?.originalName, 'listed.pdf', "the listed object's metadata");
      await storage.deleteOne(context.env, uploaded.key);
      return listed;
    },
  },
  {
    name: 'r2-head',
    shows: 'head: size and time of an object without its bytes; null if there is none',
    async run({ env, tag }) {
      const key = `uploads/documento.pdf${tag}`;
      await env.ASSETS.delete(key);
      same(await storage.headDocument(env, key), null, 'the head of a missing key');
      await env.ASSETS.put(key, PDF);
      const head = await storage.headDocument(env, key);
      same(head?.size, PDF.length, 'the size');
      await env.ASSETS.delete(key);
      return head;
    },
  },
  {
    name: 'r2-delete',
    shows: 'delete one key, and several at once; missing keys are no error',
    async run({ env, tag }) {
      const keys = ['file1.txt', 'file2.txt', 'file3.txt'].map(key => `delete${tag}/${key}`);
      for (const key of keys) await env.ASSETS.put(key, 'x');
      await storage.deleteOne(env, keys[0]);
      const { objects } = await env.ASSETS.list({ prefix: `delete${tag}/` });
      same(objects.map(({ key }) => key), keys.slice(1), 'what one delete left');
      await storage.deleteMany(env, keys);
      const left = (await env.ASSETS.list({ prefix: `delete${tag}/` })).objects.length;
      same(left, 0, 'what the second delete left');
      return { left };
    },
  },
  {
    name: 'r2-conditional',
    shows: 'If-None-Match: 304 without a body while the etag is current; If-Match: 412 if it is not',
    async run({ env, tag, handle }) {
      const key = `conditional${tag}.txt`;
      await env.ASSETS.put(key, 'first');
      const first = await handle(file(key));
      const etag = first.headers.get('etag')!;
      same([first.status, await first.text()], [200, 'first'], 'the first answer');

      const unchanged = await handle(file(key, { headers: { 'If-None-Match': etag } }));
      same([unchanged.status, unchanged.headers.get('etag'), await unchanged.text()], [304, etag, ''], 'an unchanged object');
      const anyOf = await handle(file(key, { headers: { 'If-None-Match': `"0", W/${etag}` } }));
      same(anyOf.status, 304, 'a list of etags, one of them weak');

      await env.ASSETS.put(key, 'second');
      const changed = await handle(file(key, { headers: { 'If-None-Match': etag } }));
      same([changed.status, await changed.text()], [200, 'second'], 'a changed object');
      const guarded = await handle(file(key, { headers: { 'If-Match': etag } }));
      same(guarded.status, 412, 'If-Match with an old etag');
      return { etag, statuses: [first, unchanged, anyOf, changed, guarded].map(({ status }) => status) };
    },
  },
  {
    name: 'r2-range',
    shows: 'Range: 206 with Content-Range for a part, from the start or from the end',
    async run({ env, tag, handle }) {
      const key = `range${tag}.txt`;
      await env.ASSETS.put(key, '0123456789');
      const parts = [];
      for (const [range, text, contentRange] of [
        ['bytes=2-5', '2345', 'bytes 2-5/10'],
        ['bytes=7-', '789', 'bytes 7-9/10'],
        ['bytes=-3', '789', 'bytes 7-9/10'],
        ['bytes=8-99', '89', 'bytes 8-9/10'],
      ]) {
        const part = await handle(file(key, { headers: { Range: range } }));
        const got = [part.status, part.headers.get('content-range'), await part.text()];
        same(got, [206, contentRange, text], `the answer to ${range}`);
        parts.push({ range, got });
      }
      const whole = await handle(file(key));
      same([whole.status, whole.headers.get('content-range'), await whole.text()], [200, null, '0123456789'], 'the whole');
      return parts;
    },
  },
  {
    name: 'r2-access-control',
    shows: 'keys under private/ want a token: 403 without, 200 with it',
    async run({ env, tag, handle }) {
      const key = `private/plans${tag}.txt`;
      await env.ASSETS.put(key, 'secret');
      const stranger = await handle(file(key));
      same([stranger.status, await stranger.text()], [403, 'Forbidden'], 'the answer to a stranger');
      const friend = await handle(file(key, { headers: { Authorization: `Bearer ${env.FILES_TOKEN}` } }));
      same([friend.status, await friend.text()], [200, 'secret'], 'the answer to a friend');
      same((await handle(file(key, { method: 'DELETE' }))).status, 403, 'a DELETE by a stranger');
      return { stranger: stranger.status, friend: friend.status };
    },
  },
];
