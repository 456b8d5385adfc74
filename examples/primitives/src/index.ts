import type { Env } from './env';
import chatRoom from './module/durable-object';
import moduleD1 from './module/d1';
import moduleKv from './module/kv';
import moduleR2 from './module/r2';
import { index, uploadForm } from './page';
import { check, find } from './samples';
import type { Context } from './samples/sample';
import * as cached from './services/cached-user.service';
import { serveFile } from './services/files';
import { handleFileUpload, listUploads, serveAsset } from './services/storage.service';
import * as drizzle from './services/user.drizzle.service';
import * as users from './services/user.service';

export { CartDurableObject } from './edge-storage/cart';
export { SessionDurableObject } from './edge-storage/session';
export { ChatRoom } from './module/chat-room';

type Incoming = Parameters<ExportedHandlerFetchHandler<Env>>[0];
type Handler = (request: Incoming, env: Env, ctx: ExecutionContext, params: Record<string, string>) => Response | Promise<Response>;

const notFound = () => new Response('Not Found', { status: 404 });
const found = (value: unknown) => (value ? Response.json(value) : notFound());

function context(env: Env, ctx: ExecutionContext, tag: string): Context {
  return { env, ctx, tag, handle: async request => route(request as Incoming, env, ctx) };
}

const routes: [method: string, path: string, handler: Handler][] = [
  ['GET', '/', index],
  ['GET', '/check', async (request, env, ctx) => {
    const report = await check(context(env, ctx, `.${crypto.randomUUID().slice(0, 8)}`));
    return Response.json(report, { status: report.ok ? 200 : 500 });
  }],
  ['GET', '/samples/:name', async (request, env, ctx, { name }) => {
    const sample = find(name);
    if (!sample) return notFound();
    return Response.json({ sample: name, shows: sample.shows, answered: await sample.run(context(env, ctx, '')) });
  }],

  ['GET', '/users', async (request, env) => {
    const query = new URL(request.url).searchParams;
    const role = query.get('role');
    if (role) return Response.json(await users.getUsersByRole(role, env));
    const number = (name: string, fallback: number) => Math.max(1, Math.trunc(Number(query.get(name))) || fallback);
    return Response.json(await users.getUsers(number('page', 1), Math.min(number('pageSize', 10), 100), env));
  }],
  ['POST', '/users', async (request, env) => {
    const { email, name, session } = await request.json<{ email: string; name: string; session?: boolean }>();
    if (!session) return Response.json(await users.createUser(email, name, env), { status: 201 });
    const sessionId = crypto.randomUUID();
    const expires = new Date(Date.now() + 86_400_000);
    const user = await users.createUserWithSession(email, name, sessionId, expires, env);
    return Response.json({ ...user, sessionId }, { status: 201 });
  }],
  ['GET', '/users/:id', async (request, env, ctx, { id }) =>
    found(await cached.getUserCached(Number(id), env, promise => ctx.waitUntil(promise)))],
  ['PATCH', '/users/:id', async (request, env, ctx, { id }) => {
    await cached.updateUserAndInvalidate(Number(id), await request.json(), env);
    return found(await users.getUserById(Number(id), env));
  }],
  ['DELETE', '/users/:id', async (request, env, ctx, { id }) => {
    const deleted = await users.deleteUser(Number(id), env);
    await cached.invalidateUserCache(Number(id), env);
    return deleted ? new Response(null, { status: 204 }) : notFound();
  }],

  ['GET', '/drizzle/users/:id', async (request, env, ctx, { id }) => found(await drizzle.getUserById(Number(id), env))],
  ['POST', '/drizzle/users', async (request, env) =>
    Response.json(await drizzle.createUser(await request.json(), env), { status: 201 })],
  ['GET', '/drizzle/admins', async (request, env) => Response.json(await drizzle.getAdminUsers(env))],

  ['GET', '/upload', uploadForm],
  ['POST', '/upload', handleFileUpload],
  ['GET', '/uploads', async (request, env) =>
    Response.json(await listUploads(new URL(request.url).searchParams.get('prefix') ?? '', env))],
  ['GET', '/files/*', serveFile],
  ['HEAD', '/files/*', serveFile],
  ['DELETE', '/files/*', serveFile],
  ['GET', '/assets/:key+', (request, env, ctx, { key }) => serveAsset(decodeURIComponent(key), env)],

  ['GET', '/module/kv', moduleKv.fetch],
  ['GET', '/module/d1', moduleD1.fetch],
  ['*', '/module/chat-room', chatRoom.fetch],
  // The module's Worker owns the whole path: it is asked for what stands behind /module/bucket.
  ['*', '/module/bucket/:key+', (request, env, ctx, { key }) => {
    const url = new URL(request.url);
    url.pathname = `/${key}`;
    return moduleR2.fetch(new Request(url, request) as Incoming, env, ctx);
  }],
];

const patterns = routes.map(([method, pathname, handler]) => ({ method, pattern: new URLPattern({ pathname }), handler }));

function route(request: Incoming, env: Env, ctx: ExecutionContext): Response | Promise<Response> {
  for (const { method, pattern, handler } of patterns) {
    if (method !== '*' && method !== request.method) continue;
    const match = pattern.exec(request.url);
    if (match) return handler(request, env, ctx, match.pathname.groups as Record<string, string>);
  }
  return notFound();
}

export default {
  async fetch(request, env, ctx) {
    try {
      return await route(request, env, ctx);
    } catch (error) {
      // A body that is not JSON, or a path that does not decode.
      if (error instanceof SyntaxError || error instanceof URIError) return new Response(error.message, { status: 400 });
      throw error;
    }
  },
} satisfies ExportedHandler<Env>;
