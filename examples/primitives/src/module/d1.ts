// The module's "D1: basic usage", as it stands. Its table `Users` is the article's `users`: SQL names have no case.
import type { Env } from '../env';

export default {
  async fetch(request, env, ctx) {
    // Prepare a query that is safe against SQL injection.
    const statement = env.MY_DB.prepare(
      'SELECT * FROM Users WHERE email = ? LIMIT 1',
    ).bind('user@example.com');

    // Execute it.
    const { results } = await statement.all();

    if (results.length === 0) return new Response('Not found', { status: 404 });

    return Response.json(results[0]);
  },
} satisfies ExportedHandler<Env>;
