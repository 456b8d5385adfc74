// All bindings of wrangler.toml. Each service names the part it needs, as in the article; this is their sum.
import type { CartDurableObject } from './edge-storage/cart';
import type { SessionDurableObject } from './edge-storage/session';
import type { ChatRoom } from './module/chat-room';
import type { Env as CacheEnv } from './services/cache.service';
import type { Env as StorageEnv } from './services/storage.service';
import type { Env as UserEnv } from './services/user.service';

export interface Env extends CacheEnv, StorageEnv, UserEnv {
  // The module.
  MY_KV: KVNamespace;
  MY_DB: D1Database;
  MY_BUCKET: R2Bucket;
  CHAT_ROOMS: DurableObjectNamespace<ChatRoom>;
  // The reference. Its bindings may be missing: the stores then fall back to memory.
  CART_DO?: DurableObjectNamespace<CartDurableObject>;
  SESSION_DO?: DurableObjectNamespace<SessionDurableObject>;
  LOGIN_RATE_LIMIT_KV?: KVNamespace;
  CART_STORE_PROVIDER?: string;
  SESSION_STORE_PROVIDER?: string;
  RATE_LIMIT_STORE_PROVIDER?: string;
  FILES_TOKEN: string;
}
