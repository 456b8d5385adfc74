// A KV namespace that keeps what it has answered in the isolate, for as long as the location may keep it.
//
// The object is the runtime's own: only the methods of its class are replaced, for all namespaces of the isolate, and
// they do what they did for every namespace and every call that is not kept here. So whatever looks at the binding
// (instanceof, its tag, its keys, structuredClone, a wrong `this`) sees what it would see without this module.
//
// Numbers of milliseconds are by Date.now(), which stands still while JavaScript runs and never runs ahead.

// Taken before user code can replace them.
const { apply, getPrototypeOf, getOwnPropertyDescriptor, defineProperty } = Reflect;
const { now } = Date;
const { parse } = JSON;
const { isInteger } = Number;
const { prototype: promise } = Promise;
const clone = structuredClone;
const Answer = Response;

/** What a read says when it does not say for how long: the runtime's default. */
const LIFETIME = 60_000;
/** What an entry costs besides its content, in bytes; also metadata, which is a kilobyte at most. */
const OVERHEAD = 256;
const METADATA = 1024;
/** Writes that may be under way at one time without all being forgotten. */
const WRITES = 1000;

/** What one namespace has answered. The least recently used goes first. */
class Cache {
  #entries = new Map();
  #bytes = 0;
  #limit;
  /** By key, when a write began that is not known to have ended: its request may have been cancelled. */
  #writing = new Map();
  /** Rises with every write. */
  #writes = 0;
  ownWrites;

  constructor({ limit, ownWrites }) {
    this.#limit = limit;
    this.ownWrites = ownWrites;
  }

  get writes() {
    return this.#writes;
  }

  /** The entry of `key`, if a reader who asks for `lifetime` may have it. Asking for less shortens its life. */
  look(key, lifetime) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (lifetime < entry.lifetime) entry.lifetime = lifetime;
    const age = now() - entry.since;
    // Before its time: somebody has set the machine's clock back.
    if (age >= entry.lifetime || age < 0) {
      this.forget(key);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Keeps what was read, unless a write may have overtaken it since `writes` was taken. */
  fill(key, entry, writes) {
    if (writes !== this.#writes || this.#isWriting(key) || entry.cost > this.#limit / 2) return;
    this.forget(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.cost;
    for (const [oldest, { cost }] of this.#entries) {
      if (this.#bytes <= this.#limit) break;
      this.#entries.delete(oldest);
      this.#bytes -= cost;
    }
  }

  forget(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.cost;
  }

  clear() {
    this.#entries.clear();
    this.#bytes = 0;
  }

  beginWrite(key) {
    this.#writes++;
    this.forget(key);
    const writing = this.#writing.get(key);
    this.#writing.delete(key);
    this.#writing.set(key, { open: (writing?.open ?? 0) + 1, since: now() });
    if (this.#writing.size > WRITES) {
      this.#writing.clear();
      this.clear();
    }
  }

  endWrite(key) {
    this.#writes++;
    this.forget(key);
    const writing = this.#writing.get(key);
    if (writing !== undefined && --writing.open <= 0) this.#writing.delete(key);
  }

  #isWriting(key) {
    const writing = this.#writing.get(key);
    if (writing === undefined) return false;
    if (now() - writing.since < LIFETIME) return true;
    this.#writing.delete(key);
    return false;
  }
}

/** By the namespace object that the Worker has. */
const kept = new WeakMap();
/** By the namespace's id: two bindings of one namespace have one cache. */
const caches = new Map();
/** The methods of the class as the runtime made them. */
let native;

/** What a call asks for, read once; `undefined` where the runtime had better look at it itself. */
function plain(options) {
  if (options === undefined) return { type: "text", lifetime: LIFETIME, given: undefined };
  if (typeof options === "string") return { type: options, lifetime: LIFETIME, given: options };
  if (typeof options !== "object" || options === null) return undefined;
  const { type, cacheTtl } = options;
  const given = { type, cacheTtl };
  if (type !== undefined && typeof type !== "string") return { given };
  if (cacheTtl === undefined) return { type: type ?? "text", lifetime: LIFETIME, given };
  // The runtime takes 32 bits, and says so.
  if (!isInteger(cacheTtl) || cacheTtl < 30 || cacheTtl > 0x7fff_ffff) return { given };
  return { type: type ?? "text", lifetime: cacheTtl * 1000, given };
}

/** How a value of `type` is kept. */
function form(type) {
  switch (type) {
    case "text":
    case "json":
      return "text";
    case "arrayBuffer":
    case "stream":
      return "arrayBuffer";
  }
}

/** A value that nobody else has, from what is kept. */
function value({ content }, type) {
  if (content === null || type === "text") return content;
  if (type === "json") return parse(content);
  const bytes = content.slice();
  return type === "stream" ? new Answer(bytes).body : bytes;
}

function result(entry, type, cacheStatus) {
  const { metadata } = entry;
  const own = typeof metadata === "object" && metadata !== null ? clone(metadata) : metadata;
  return { value: value(entry, type), metadata: own, cacheStatus };
}

/** `get`, and with `whole` `getWithMetadata`. */
function read(cache, self, args, whole) {
  const method = whole ? native.getWithMetadata : native.get;
  const [key, options] = args;
  if (typeof key !== "string") return untold(apply(method, self, args), whole);
  const asked = plain(options);
  if (asked === undefined) return untold(apply(method, self, args), whole);
  const { type, lifetime, given } = asked;
  const how = form(type);
  // Also what has a `type` that does not exist: the runtime says so.
  if (how === undefined) return untold(apply(method, self, [key, given]), whole);
  const entry = cache.look(key, lifetime);
  if (entry !== undefined && (entry.how === how || entry.content === null)) {
    try {
      return Promise.resolve(whole ? result(entry, type, "HIT") : value(entry, type));
    } catch (error) {
      return Promise.reject(error);
    }
  }
  // A stream may be large, and is not read before the Worker reads it.
  if (type === "stream") return untold(apply(method, self, [key, given]), whole);
  const { writes } = cache;
  const start = now();
  const answer = apply(native.getWithMetadata, self, [key, { type: how, cacheTtl: given?.cacheTtl }]);
  return apply(promise.then, answer, [
    (found) => {
      const { value: content, metadata } = found;
      const [status, age, end] = told(found.cacheStatus);
      const size = content === null ? 0 : how === "text" ? 2 * content.length : content.byteLength;
      const cost = size + 2 * key.length + OVERHEAD + (metadata === null ? 0 : METADATA);
      const entry = { how, content, metadata, since: start - age, lifetime: end, cost };
      if (age < end) cache.fill(key, entry, writes);
      return whole ? result(entry, type, status) : value(entry, type);
    },
  ]);
}

/** The service's `MISS;<age>;<lifetime>`: see ISOLATE_HEADER in crates/bindings. */
function told(cacheStatus) {
  const [status, age, lifetime] = cacheStatus?.split(";") ?? [null];
  return [status, Number(age ?? 0), Number(lifetime ?? 0)];
}

/** What `getWithMetadata` of the runtime has answered, without what was meant for us. */
function untold(answer, whole) {
  if (!whole) return answer;
  return apply(promise.then, answer, [
    (found) => {
      // A Map, when several keys were asked for, has no such thing.
      if (typeof found?.cacheStatus === "string") [found.cacheStatus] = told(found.cacheStatus);
      return found;
    },
  ]);
}

/** `put` and `delete`. */
function write(cache, method, self, args) {
  const [key] = args;
  if (!cache.ownWrites) return apply(method, self, args);
  if (typeof key !== "string") {
    // The runtime makes a string of it; whichever it is.
    cache.clear();
    return apply(method, self, args);
  }
  cache.beginWrite(key);
  let answer;
  try {
    answer = apply(method, self, args);
  } catch (error) {
    cache.endWrite(key);
    throw error;
  }
  return apply(promise.then, answer, [
    (done) => {
      cache.endWrite(key);
      return done;
    },
    (error) => {
      cache.endWrite(key);
      throw error;
    },
  ]);
}

function replace(prototype) {
  const methods = {
    get: (cache, self, args) => read(cache, self, args, false),
    getWithMetadata: (cache, self, args) => read(cache, self, args, true),
    put: (cache, self, args) => write(cache, native.put, self, args),
    delete: (cache, self, args) => write(cache, native.delete, self, args),
  };
  native = {};
  for (const [name, method] of Object.entries(methods)) {
    const descriptor = getOwnPropertyDescriptor(prototype, name);
    native[name] = descriptor.value;
    descriptor.value = new Proxy(descriptor.value, {
      apply(target, self, args) {
        const cache = kept.get(self);
        return cache === undefined ? apply(target, self, args) : method(cache, self, args);
      },
    });
    defineProperty(prototype, name, descriptor);
  }
}

export default function ({ namespace, settings }) {
  if (native === undefined) replace(getPrototypeOf(namespace));
  let cache = caches.get(settings.id);
  if (cache === undefined) caches.set(settings.id, (cache = new Cache(settings)));
  kept.set(namespace, cache);
  return namespace;
}
