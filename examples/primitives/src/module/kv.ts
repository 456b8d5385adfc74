// The module's "Workers KV: basic usage", as it stands.
import type { Env } from '../env';

export default {
  async fetch(request, env, ctx) {
    // 1. WRITE: set a key.
    await env.MY_KV.put('welcome_message', 'Hello from edge caching!');

    // 2. READ: get a key.
    const message = await env.MY_KV.get('welcome_message');

    // 3. TTL: a temporary key that deletes itself in 60 seconds, the shortest that KV takes.
    await env.MY_KV.put('session_id', 'xyz123', { expirationTtl: 60 });

    return new Response(message);
  },
} satisfies ExportedHandler<Env>;
