// What a Worker sees of KV, case by case. `GET /` answers what every case gave, as JSON without times, so that it
// can be laid beside what another KV answers to the same Worker. It expects an empty namespace.

const MIB = 1024 * 1024;

async function refused(promise) {
  try {
    return { resolved: (await promise) ?? null };
  } catch (error) {
    return { name: error.name, message: error.message };
  }
}

// An error whose text repeats a time.
async function refusedAt(at, promise) {
  const { name, message, resolved } = await refused(promise);
  return resolved === undefined ? { name, message: message.replace(String(at), "<at>") } : { resolved };
}

function filled(size, seed = 7) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 4096) bytes[at] = (at / 4096 + seed) % 251;
  bytes[size - 1] = 1;
  return bytes;
}

async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A stream whose length nobody knows beforehand.
function pieces(bytes, size = 100_000) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

async function readAll(stream) {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// All but `cacheStatus`, which one case of its own looks at.
const plain = ({ value, metadata }) => ({ value, metadata });
const names = (page) => page.keys.map((key) => key.name);
const entries = (map) => [...map.entries()];
const now = () => Math.floor(Date.now() / 1000);

const ODD_KEYS = [
  "/", "a/b", "//", "%", "%2F", "?", "?a=b&c", "#", " ", " both sides ", "+", "a+b", "&", "=", "..x", "...", "./x", "a/../b",
  "bulk/get", "é", "e\u0301", "😀", "\uFFFD", "日本", '"quoted"', "back\\slash", "new\nline", "tab\t", "nul\0nul", "del\x7f",
  "{json}", "[1]", "|", "^", "`", "<tag>", "~", ":", ";", ",", "@", "!", "$", "'", "(", ")", "*", "constructor",
];

const cases = {
  async missing(kv) {
    const out = { delete: (await kv.delete("no")) === undefined };
    for (const type of ["text", "json", "arrayBuffer", "stream"]) {
      out[type] = [await kv.get("no", type), await kv.get("no", { type }), plain(await kv.getWithMetadata("no", type))];
    }
    return out;
  },

  async types(kv) {
    const text = '{"a":[1,"é😀"]}';
    const put = await kv.put("types", text);
    return {
      put: put === undefined,
      default: await kv.get("types"),
      text: await kv.get("types", "text"),
      json: await kv.get("types", { type: "json" }),
      arrayBuffer: (await kv.get("types", "arrayBuffer")).byteLength,
      stream: await new Response(await kv.get("types", "stream")).text(),
      withMetadata: plain(await kv.getWithMetadata("types", "json")),
      unknown: await refused(kv.get("types", "blob")),
      notJson: [await kv.put("not-json", "{"), (await refused(kv.get("not-json", "json"))).name],
    };
  },

  async values(kv) {
    const view = new Uint8Array([0, 1, 2, 3, 255]);
    const { readable, writable } = new FixedLengthStream(5);
    const writer = writable.getWriter();
    const values = {
      empty: "",
      string: "text é",
      number: 42,
      boolean: true,
      buffer: view.buffer,
      view: view.subarray(1, 4),
      words: new Uint16Array([1, 2]),
      response: new Response("from a response").body,
      unknown: pieces(view, 2),
      emptyStream: pieces(new Uint8Array()),
    };
    const out = {};
    for (const [name, value] of Object.entries(values)) {
      await kv.put(`values/${name}`, value);
      out[name] = [...new Uint8Array(await kv.get(`values/${name}`, "arrayBuffer"))];
    }
    const put = kv.put("values/fixed", readable);
    await writer.write(view);
    await writer.close();
    await put;
    out.fixed = [...(await readAll(await kv.get("values/fixed", "stream")))];
    out.emptyText = await kv.get("values/empty");
    out.object = await refused(kv.put("values/object", { a: 1 }));
    out.undefined = await refused(kv.put("values/undefined", undefined));
    out.failing = (
      await refused(
        kv.put(
          "values/failing",
          new ReadableStream({
            start(controller) {
              controller.enqueue(new Uint8Array(200_000));
            },
            pull(controller) {
              controller.error(new Error("the sender stopped"));
            },
          }),
        ),
      )
    ).message;
    out.afterFailing = await kv.get("values/failing");
    return out;
  },

  async metadata(kv) {
    const out = {};
    const shapes = {
      object: { "naïve": "☕ 😀", nested: { list: [1, null, 1.5] } },
      string: "text",
      emptyString: "",
      number: 7,
      zero: 0,
      false: false,
      array: [],
      controls: "\u0000\u001f\n\r\t",
      loneSurrogate: "\ud800",
    };
    for (const [name, metadata] of Object.entries(shapes)) {
      await kv.put(`metadata/${name}`, "v", { metadata });
      const { keys } = await kv.list({ prefix: `metadata/${name}` });
      const seen = [
        (await kv.getWithMetadata(`metadata/${name}`)).metadata,
        keys[0].metadata,
        (await kv.getWithMetadata([`metadata/${name}`])).get(`metadata/${name}`).metadata,
      ];
      // As text, since not every JSON reader takes half a pair.
      out[name] = JSON.stringify(seen);
    }
    await kv.put("metadata/null", "v", { metadata: null });
    out.del = await refused(kv.put("metadata/del", "v", { metadata: "\x7f" }).then(() => "stored"));
    out.null = [(await kv.getWithMetadata("metadata/null")).metadata, (await kv.list({ prefix: "metadata/null" })).keys];
    await kv.put("metadata/object", "v2");
    out.replaced = [plain(await kv.getWithMetadata("metadata/object")), (await kv.list({ prefix: "metadata/object" })).keys];
    out.longest = await refused(kv.put("metadata/long", "v", { metadata: "m".repeat(1022) }));
    out.tooLong = await refused(kv.put("metadata/long", "v", { metadata: "m".repeat(1023) }));
    out.tooLongInBytes = await refused(kv.put("metadata/long", "v", { metadata: "é".repeat(512) }));
    out.kept = (await kv.getWithMetadata("metadata/long")).metadata.length;
    return out;
  },

  async expiration(kv) {
    const put = (options) => refused(kv.put("expiration/k", "v", options));
    const out = {};
    for (const expirationTtl of [60, 60.7, "120", 59, 1, 0, -1, "soon"]) {
      out[`ttl ${expirationTtl}`] = await put({ expirationTtl });
    }
    const start = now();
    for (const from of [-10, 0, 30, 120]) {
      out[`in ${from}`] = await refusedAt(start + from, kv.put("expiration/k", "v", { expiration: start + from }));
    }
    out.zero = await put({ expiration: 0 });
    out.negative = await put({ expiration: -5 });
    out.bothTtlWins = await put({ expiration: 1, expirationTtl: 600 });
    out.bothTtlLoses = await put({ expiration: start + 600, expirationTtl: 5 });
    await kv.put("expiration/k", "v", { expirationTtl: 600 });
    const [key] = (await kv.list({ prefix: "expiration/" })).keys;
    out.listed = [Object.keys(key).sort(), Number.isInteger(key.expiration), Math.abs(key.expiration - now() - 600) < 60];
    await kv.put("expiration/k", "v");
    out.cleared = (await kv.list({ prefix: "expiration/" })).keys;
    return out;
  },

  async oddKeys(kv) {
    const out = {};
    for (const key of ODD_KEYS) {
      const prefix = `odd:${key}`;
      out[JSON.stringify(key)] = await refused(
        (async () => {
          await kv.put(key, `bare ${key}`);
          await kv.put(prefix, `value of ${key}`, { metadata: { length: key.length } });
          return [
            await kv.get(key),
            plain(await kv.getWithMetadata(prefix)),
            (await kv.get([key])).get(key),
            (await kv.list({ prefix })).keys,
          ];
        })(),
      );
    }
    out.order = names(await kv.list({ prefix: "odd:" }));
    for (const key of ODD_KEYS) await Promise.all([kv.delete(key), kv.delete(`odd:${key}`)]);
    out.left = names(await kv.list({ prefix: "odd:" }));
    return out;
  },

  async keyLimits(kv) {
    const out = {};
    for (const key of ["", ".", "..", "k".repeat(512), "k".repeat(513), "é".repeat(256), "é".repeat(257)]) {
      const shown = key.length > 9 ? `${key[0]} times ${key.length}` : JSON.stringify(key);
      // The runtime throws some of these before there is a promise.
      const attempt = (run) => refused((async () => run())());
      out[shown] = {
        put: await attempt(() => kv.put(key, "v")),
        get: await attempt(() => kv.get(key)),
        getWithMetadata: (await attempt(() => kv.getWithMetadata(key).then(() => "found"))),
        bulk: await attempt(() => kv.get([key]).then((map) => [...map.values()])),
        delete: await attempt(() => kv.delete(key)),
      };
    }
    return out;
  },

  async list(kv) {
    const keys = [];
    for (let n = 0; n < 25; n++) keys.push(`page/${String(n).padStart(2, "0")}`);
    await Promise.all(keys.map((key) => kv.put(key, key)));
    const pages = [];
    let cursor;
    do {
      const page = await kv.list({ prefix: "page/", limit: 10, cursor });
      pages.push([names(page), page.list_complete, typeof page.cursor]);
      cursor = page.cursor;
    } while (cursor);
    const first = await kv.list({ prefix: "page/", limit: 3 });
    await kv.delete("page/02");
    await kv.put("page/025", "new");
    const second = await kv.list({ prefix: "page/", limit: 3, cursor: first.cursor });
    const exact = await kv.list({ prefix: "page/", limit: 25 });
    for (const key of ["sort/A", "sort/a", "sort/é", "sort/\uFFFD", "sort/😀", "sort/"]) await kv.put(key, "v");
    return {
      pages,
      afterTheCursor: names(second),
      exact: [exact.keys.length, exact.list_complete, "cursor" in exact],
      none: (await kv.list({ prefix: "nothing/" })).keys,
      sorted: names(await kv.list({ prefix: "sort/" })),
      shape: Object.keys(await kv.list({ prefix: "nothing/" })).sort(),
      emptyStrings: (await kv.list({ prefix: "", cursor: "", limit: 1 })).keys.length,
      zero: names(await kv.list({ prefix: "sort/", limit: 0 })).length,
      negative: names(await kv.list({ prefix: "sort/", limit: -1 })).length,
      most: (await kv.list({ prefix: "sort/", limit: 1000 })).keys.length,
      tooMany: await refused(kv.list({ limit: 1001 })),
      longPrefix: await refused(kv.list({ prefix: "p".repeat(513) })),
      badCursor: await refused(kv.list({ cursor: "*" })),
      specialPrefix: names(await kv.list({ prefix: "sort/é" })),
    };
  },

  async bulk(kv) {
    await kv.put("bulk/text", "plain", { metadata: { m: "é" } });
    await kv.put("bulk/json", '{"a": [1, "é"]}');
    await kv.put("bulk/zero", "0", { metadata: 1 });
    await kv.put("bulk/empty", "");
    await kv.put("bulk/bom", "\uFEFFtext");
    await kv.put("bulk/bytes", new Uint8Array([0xff, 0x61]));
    await kv.put("42", "integer-like");
    const many = [];
    for (let n = 0; n < 101; n++) many.push(`bulk/none/${n}`);
    const shown = (map) => [map instanceof Map, entries(map)];
    return {
      text: shown(await kv.get(["bulk/text", "bulk/none", "bulk/json", "bulk/empty", "bulk/bytes"])),
      typed: shown(await kv.get(["bulk/text"], "text")),
      json: shown(await kv.get(["bulk/json", "bulk/none", "bulk/zero"], "json")),
      jsonOption: shown(await kv.get(["bulk/json"], { type: "json", cacheTtl: 60 })),
      withMetadata: shown(await kv.getWithMetadata(["bulk/text", "bulk/none", "bulk/json"])),
      jsonWithMetadata: shown(await kv.getWithMetadata(["bulk/json", "bulk/zero"], "json")),
      bom: [(await kv.get(["bulk/bom"])).get("bulk/bom").length, (await kv.get("bulk/bom")).length],
      repeated: shown(await kv.get(["bulk/text", "bulk/text"])),
      integerLike: shown(await kv.get(["42", "bulk/text"])),
      notJson: await refused(kv.get(["bulk/json", "bulk/text"], "json")),
      emptyJson: await refused(kv.get(["bulk/empty"], "json")),
      type: await refused(kv.get(["bulk/text"], "arrayBuffer")),
      none: await refused(kv.get([])),
      most: entries(await kv.get(many.slice(1))).length,
      tooMany: await refused(kv.get(many)),
      tooManyWithMetadata: await refused(kv.getWithMetadata(many)),
      cacheTtl: await refused(kv.get(["bulk/text"], { cacheTtl: 29 })),
    };
  },

  async cacheTtl(kv) {
    await kv.put("cache-ttl", "v");
    const out = {};
    for (const cacheTtl of [30, 3600, 29, 0, -1]) out[cacheTtl] = await refused(kv.get("cache-ttl", { cacheTtl }));
    out.cacheStatus = [
      (await kv.getWithMetadata("cache-ttl")).cacheStatus,
      (await kv.getWithMetadata("no")).cacheStatus,
      (await kv.list({ prefix: "cache-ttl" })).cacheStatus,
    ];
    return out;
  },

  async large(kv) {
    const out = {};
    for (const size of [65_536, 65_537, MIB, 25 * MIB]) {
      const bytes = filled(size);
      await kv.put(`large/${size}`, bytes, { metadata: { size } });
      const buffer = await kv.get(`large/${size}`, "arrayBuffer");
      const { value, metadata } = await kv.getWithMetadata(`large/${size}`, "stream");
      const streamed = await readAll(value);
      out[size] = [
        buffer.byteLength,
        streamed.length,
        metadata,
        (await digest(buffer)) === (await digest(bytes)),
        (await digest(streamed)) === (await digest(bytes)),
      ];
    }
    const whole = filled(25 * MIB, 9);
    await kv.put("large/streamed", pieces(whole));
    out.streamed = (await digest(await kv.get("large/streamed", "arrayBuffer"))) === (await digest(whole));
    const more = filled(25 * MIB + 1);
    out.tooLarge = await refused(kv.put("large/streamed", more));
    out.tooLargeStream = await refused(kv.put("large/streamed", pieces(more)));
    out.tooLargeString = await refused(kv.put("large/streamed", "é".repeat(13_107_201)));
    out.kept = (await kv.get("large/streamed", "arrayBuffer")).byteLength;
    out.bulk = await refused(kv.get(["large/streamed", `large/${MIB}`]));
    out.bulkOfOne = (await kv.get([`large/${MIB}`])).get(`large/${MIB}`).length;
    return out;
  },

  async readersAndWriters(kv) {
    const first = filled(5 * MIB, 1);
    await kv.put("shared", first);
    const stream = await kv.get("shared", "stream");
    await kv.put("shared", "small now");
    const given = await kv.get("shared", "stream");
    const old = await readAll(stream);
    await given.cancel();
    await kv.put("shared", filled(5 * MIB, 2));
    const reader = (await kv.get("shared", "stream")).getReader();
    await reader.read();
    await reader.cancel();
    await Promise.all([...Array(50)].map((_, n) => kv.put(`parallel/${n}`, "v".repeat(n))));
    const lengths = await Promise.all([...Array(50)].map(async (_, n) => (await kv.get(`parallel/${n}`)).length));
    await kv.delete("shared");
    return { old: (await digest(old)) === (await digest(first)), inOrder: lengths.every((length, n) => length === n), gone: await kv.get("shared") };
  },
};

export default {
  async fetch(request, { KV }) {
    const only = new URL(request.url).searchParams.get("case");
    const out = {};
    for (const [name, run] of Object.entries(cases)) {
      if (!only || only === name) out[name] = await run(KV).catch((error) => `failed: ${error.stack}`);
    }
    return Response.json(out);
  },
};
