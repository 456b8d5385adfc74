// The module's "Durable Objects: basic conceptual usage (client side)", as it stands.
import type { Env } from '../env';

export default {
  async fetch(request, env, ctx) {
    // 1. A unique ID for "chat-room-A".
    const id = env.CHAT_ROOMS.idFromName('chat-room-A');

    // 2. The connection stub to that exact global instance.
    const roomStub = env.CHAT_ROOMS.get(id);

    // 3. Forward the request to that specific Durable Object.
    return await roomStub.fetch(request);
  },
} satisfies ExportedHandler<Env>;
