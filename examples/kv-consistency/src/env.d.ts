interface Env {
  SUBSCRIPTIONS: KVNamespace;
  DB: D1Database;
}
