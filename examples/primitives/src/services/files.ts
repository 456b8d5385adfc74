// The article's "R2 with public access": files served by a Worker, with access control, conditional requests and
// ranges.
//
// What changed against the article:
// - `range` takes an object or the request's Headers, not the text of the header;
// - `etagDoesNotMatch` wants the bare etag, while If-None-Match carries it in quotes (or several, or a `W/`):
//   `onlyIf: headers` reads it as HTTP does;
// - a failed condition answers an object without a body, not null: null only ever means "no such key";
// - R2 may say `object.range` on a whole object too: 206 is only an answer to a request that asked for a part.
import { deleteOne, type Env as StorageEnv } from './storage.service';

type Env = StorageEnv & { FILES_TOKEN: string };

export async function serveFile(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  // URL pattern: /files/{key}
  const key = decodeURIComponent(url.pathname.replace('/files/', ''));

  if (!key) {
    return new Response('Key required', { status: 400 });
  }

  const authorized = await checkAccess(request, key, env);
  if (!authorized) {
    return new Response('Forbidden', { status: 403 });
  }

  if (request.method === 'DELETE') {
    await deleteOne(env, key);
    return new Response(null, { status: 204 });
  }

  if (request.method === 'HEAD') {
    const head = await env.ASSETS.head(key);
    if (!head) return new Response(null, { status: 404 });
    const headers = describe(head);
    headers.set('Content-Length', String(head.size));
    return new Response(null, { headers });
  }

  const object = await env.ASSETS.get(key, {
    onlyIf: request.headers,
    range: request.headers,
  });

  if (!object) {
    return new Response('Not Found', { status: 404 });
  }

  const headers = describe(object);
  if (!('body' in object)) {
    // If-None-Match and If-Modified-Since say "not modified"; If-Match and If-Unmodified-Since say "not that one".
    const guarded = request.headers.has('If-Match') || request.headers.has('If-Unmodified-Since');
    return new Response(null, { status: guarded ? 412 : 304, headers });
  }

  const part = request.headers.has('Range') ? partOf(object) : undefined;
  if (part && part.length < object.size) {
    headers.set('Content-Range', `bytes ${part.offset}-${part.offset + part.length - 1}/${object.size}`);
    return new Response(object.body, { status: 206, headers });
  }

  return new Response(object.body, { headers });
}

function describe(object: R2Object): Headers {
  const headers = new Headers();
  object.writeHttpMetadata(headers);
  headers.set('etag', object.httpEtag);
  headers.set('Last-Modified', object.uploaded.toUTCString());
  headers.set('Accept-Ranges', 'bytes');
  return headers;
}

// R2 may name a range by its start, its length or its end. (All three properties exist, whichever is set.)
function partOf({ range, size }: R2Object) {
  if (!range) return undefined;
  const { offset = 0, length, suffix } = range as { offset?: number; length?: number; suffix?: number };
  if (suffix === undefined) return { offset, length: length ?? size - offset };
  const last = Math.min(suffix, size);
  return { offset: size - last, length: last };
}

// "Put your authentication and authorization logic here", says the article: keys under private/ want a token.
async function checkAccess(request: Request, key: string, env: Env): Promise<boolean> {
  if (!key.startsWith('private/')) return true;
  return request.headers.get('Authorization') === `Bearer ${env.FILES_TOKEN}`;
}
