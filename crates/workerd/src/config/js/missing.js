// Stands in for a Worker that is not part of the app.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

class Missing extends WorkerEntrypoint {
  constructor(ctx, env) {
    super(ctx, env);
    throw new Error(message);
  }
}

class MissingObject extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    throw new Error(message);
  }
}

