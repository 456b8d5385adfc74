// What a Worker sees of R2, case by case. `GET /` answers what every case gave, as JSON without times and
// versions, so that it can be laid beside what another R2 answers to the same Worker.

const MIB = 1024 * 1024;

const PLAIN = ["key", "size", "etag", "httpEtag", "range", "storageClass", "httpMetadata", "customMetadata"];

function shown(object) {
  if (object === null) return null;
  const out = {};
  for (const name of PLAIN) {
    try {
      if (object[name] !== undefined) out[name] = object[name];
    } catch (error) {
      out[name] = `throws ${error.message}`;
    }
  }
  out.checksums = object.checksums.toJSON();
  out.version = typeof object.version === "string" && object.version.length > 0;
  out.uploaded = Math.abs(Date.now() - object.uploaded.getTime()) < 600_000;
  out.hasBody = "body" in object;
  return out;
}

async function withText(object) {
  return object === null ? null : { ...shown(object), text: "body" in object ? await object.text() : undefined };
}

async function refused(promise) {
  try {
    return { resolved: shown((await promise) ?? null) };
  } catch (error) {
    return { name: error.name, message: error.message };
  }
}

function filled(size, byte) {
  return new Uint8Array(size).fill(byte);
}

async function hex(algorithm, bytes) {
  const digest = await crypto.subtle.digest(algorithm, bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const cases = {
  async missing(bucket) {
    return [await bucket.head("no"), await bucket.get("no"), (await bucket.delete("no")) === undefined];
  },

  async putEveryKindOfValue(bucket) {
    const { readable, writable } = new FixedLengthStream(5);
    const writer = writable.getWriter();
    writer.write(new TextEncoder().encode("strea")).then(() => writer.close());
    const put = {
      string: await bucket.put("v/string", "gr\u00fc\u00df"),
      buffer: await bucket.put("v/buffer", new Uint8Array([1, 2, 3]).buffer),
      view: await bucket.put("v/view", new Uint8Array([0, 1, 2, 3]).subarray(1, 3)),
      blob: await bucket.put("v/blob", new Blob(["blob"])),
      nothing: await bucket.put("v/nothing", null),
      empty: await bucket.put("v/empty", ""),
      stream: await bucket.put("v/stream", readable),
    };
    const out = {};
    for (const [name, object] of Object.entries(put)) {
      const back = await bucket.get(`v/${name}`);
      out[name] = [shown(object), shown(back), [...new Uint8Array(await back.arrayBuffer())]];
    }
    const { readable: unknown } = new TransformStream();
    out.unknownLength = await refused(bucket.put("v/unknown", unknown));
    return out;
  },

  async heads(bucket) {
    const options = {
      httpMetadata: {
        contentType: "text/plain; charset=utf-8",
        contentLanguage: "sv-SE",
        contentDisposition: "attachment; filename=\"a.txt\"",
        contentEncoding: "gzip",
        cacheControl: "max-age=60",
        cacheExpiry: new Date(1_900_000_000_000),
      },
      customMetadata: { plain: "x", "n\u00e4me": "v\u00e4rde \u{1F600}", empty: "" },
    };
    const put = await bucket.put("meta", "bytes", options);
    const head = await bucket.head("meta");
    const get = await bucket.get("meta");
    const headers = new Headers();
    get.writeHttpMetadata(headers);
    const text = await get.text();
    await bucket.put("meta2", "x", { httpMetadata: new Headers({ "content-type": "a/b", expires: "Wed, 21 Oct 2015 07:28:00 GMT" }) });
    const second = await bucket.head("meta2");
    return [shown(put), shown(head), shown(get), text, [...headers], shown(second)];
  },

  async infrequentAccess(bucket) {
    await bucket.put("cold", "x", { storageClass: "InfrequentAccess" });
    return (await bucket.head("cold")).storageClass;
  },

  async ranges(bucket) {
    await bucket.put("r", "0123456789");
    await bucket.put("r0", "");
    const out = {};
    const asked = {
      whole: undefined,
      offset: { offset: 3 },
      length: { length: 4 },
      both: { offset: 2, length: 3 },
      tooLong: { offset: 8, length: 100 },
      atEnd: { offset: 10, length: 1 },
      pastEnd: { offset: 11 },
      zero: { offset: 0, length: 0 },
      suffix: { suffix: 3 },
      longSuffix: { suffix: 30 },
      noSuffix: { suffix: 0 },
      negative: { offset: -1 },
      header: new Headers({ range: "bytes=2-4" }),
      headerOpen: new Headers({ range: "bytes=7-" }),
      headerSuffix: new Headers({ range: "bytes=-2" }),
      headerLongSuffix: new Headers({ range: "bytes=-20" }),
      headerSeveral: new Headers({ range: "bytes=0-1,3-4" }),
      headerPastEnd: new Headers({ range: "bytes=20-30" }),
      headerNonsense: new Headers({ range: "lines=1" }),
      headerNone: new Headers(),
    };
    for (const [name, range] of Object.entries(asked)) {
      try {
        const object = await bucket.get("r", { range });
        out[name] = [object.range, await object.text()];
      } catch (error) {
        out[name] = error.message;
      }
    }
    out.ofNothing = await refused(bucket.get("r0", { range: { offset: 0, length: 5 } }));
    out.suffixOfNothing = await refused(bucket.get("r0", { range: { suffix: 1 } }));
    return out;
  },

  async largeRanges(bucket) {
    const bytes = new Uint8Array(3 * MIB + 17);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 12)) & 255;
    const put = await bucket.put("large", bytes);
    const out = [put.size, put.etag, await hex("SHA-256", await (await bucket.get("large")).arrayBuffer())];
    for (const range of [{ offset: MIB - 1, length: MIB + 2 }, { suffix: 5 }, { offset: 3 * MIB }]) {
      const object = await bucket.get("large", { range });
      out.push([object.range, await hex("SHA-256", await object.arrayBuffer())]);
    }
    return out;
  },

  async conditionsOnGet(bucket) {
    const { etag, uploaded } = await bucket.put("c", "value");
    const [past, future] = [new Date(uploaded.getTime() - 5000), new Date(uploaded.getTime() + 5000)];
    const asked = {
      match: { etagMatches: etag },
      noMatch: { etagMatches: "other" },
      different: { etagDoesNotMatch: "other" },
      same: { etagDoesNotMatch: etag },
      star: { etagMatches: "*" },
      notStar: { etagDoesNotMatch: "*" },
      before: { uploadedBefore: future },
      notBefore: { uploadedBefore: past },
      after: { uploadedAfter: past },
      notAfter: { uploadedAfter: future },
      exactlyBefore: { uploadedBefore: uploaded },
      exactlyAfter: { uploadedAfter: uploaded },
      waivedBefore: { etagMatches: etag, uploadedBefore: past },
      waivedAfter: { etagDoesNotMatch: "other", uploadedAfter: future },
      notWaived: { etagDoesNotMatch: "other", uploadedBefore: past },
      headerMatch: new Headers({ "if-match": `"${etag}"` }),
      headerList: new Headers({ "if-match": `"x", "${etag}"` }),
      headerWeak: new Headers({ "if-match": `W/"${etag}"` }),
      headerWeakNone: new Headers({ "if-none-match": `W/"${etag}"` }),
      headerStar: new Headers({ "if-none-match": "*" }),
      headerSince: new Headers({ "if-modified-since": past.toUTCString() }),
      headerNotSince: new Headers({ "if-unmodified-since": past.toUTCString() }),
      headerSameSecond: new Headers({ "if-modified-since": uploaded.toUTCString() }),
      headerNothing: new Headers(),
    };
    const out = {};
    for (const [name, onlyIf] of Object.entries(asked)) {
      const object = await bucket.get("c", { onlyIf });
      out[name] = "body" in object ? await object.text() : null;
    }
    out.unmet = shown(await bucket.get("c", { onlyIf: { etagMatches: "other" }, range: { offset: 99 } }));
    out.quoted = await refused(bucket.get("c", { onlyIf: { etagMatches: `"${etag}"` } }));
    out.absent = await bucket.get("absent", { onlyIf: { etagMatches: "x" } });
    return out;
  },

  async conditionsOnPut(bucket) {
    const out = {};
    out.create = shown(await bucket.put("p", "1", { onlyIf: { etagDoesNotMatch: "*" } }));
    out.createAgain = await bucket.put("p", "2", { onlyIf: { etagDoesNotMatch: "*" } });
    out.createAgainHeader = await bucket.put("p", "2", { onlyIf: new Headers({ "if-none-match": "*" }) });
    const { etag } = await bucket.head("p");
    out.swap = shown(await bucket.put("p", "3", { onlyIf: { etagMatches: etag } }));
    out.swapAgain = await bucket.put("p", "4", { onlyIf: { etagMatches: etag } });
    out.absent = await bucket.put("p-absent", "x", { onlyIf: { etagMatches: "x" } });
    out.absentAfter = await bucket.put("p-absent", "x", { onlyIf: { uploadedAfter: new Date(0) } });
    out.absentBefore = shown(await bucket.put("p-absent", "x", { onlyIf: { uploadedBefore: new Date(0) } }));
    out.large = await bucket.put("p", filled(2 * MIB, 7), { onlyIf: { etagMatches: "other" } });
    out.value = await (await bucket.get("p")).text();
    return out;
  },

  async checksums(bucket) {
    const bytes = new TextEncoder().encode("check me");
    const md5 = (await bucket.put("md5", bytes)).etag;
    const out = {};
    const algorithms = { sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };
    for (const [name, algorithm] of Object.entries(algorithms)) {
      const digest = await crypto.subtle.digest(algorithm, bytes);
      out[name] = [
        shown(await bucket.put(name, bytes, { [name]: digest })),
        shown(await bucket.head(name)),
        await refused(bucket.put(`${name}-bad`, bytes, { [name]: filled(digest.byteLength, 1) })),
        await bucket.head(`${name}-bad`),
      ];
    }
    out.md5 = [
      shown(await bucket.put("md5", bytes, { md5 })),
      await refused(bucket.put("md5-bad", bytes, { md5: "00".repeat(16) })),
      await refused(bucket.put("md5-large", filled(MIB, 1), { md5: "00".repeat(16) })),
      await bucket.head("md5-large"),
    ];
    out.two = await refused(bucket.put("two", bytes, { md5, sha1: "00".repeat(20) }));
    return out;
  },

  async listing(bucket) {
    const keys = ["l/a", "l/b/1", "l/b/2", "l/c", "l/d/1", "l/d/e/1", "l/\u00e9", "l/\uFF5E", "l/\u{1F600}", "l/z", "m"];
    for (const key of keys) {
      await bucket.put(key, key, { httpMetadata: { contentType: "t/x" }, customMetadata: { k: key } });
    }
    const brief = ({ objects, delimitedPrefixes, truncated, cursor }) => ({
      keys: objects.map((object) => object.key),
      delimitedPrefixes,
      truncated,
      hasCursor: cursor !== undefined,
    });
    const pages = async (options) => {
      const out = [];
      let cursor;
      do {
        const page = await bucket.list({ ...options, cursor });
        out.push(brief(page));
        cursor = page.cursor;
      } while (cursor !== undefined && out.length < 30);
      return out;
    };
    const out = {
      prefix: brief(await bucket.list({ prefix: "l/" })),
      none: brief(await bucket.list({ prefix: "none" })),
      delimiter: brief(await bucket.list({ prefix: "l/", delimiter: "/" })),
      noPrefix: brief(await bucket.list({ prefix: "l", delimiter: "/" })),
      longDelimiter: brief(await bucket.list({ prefix: "l/", delimiter: "/e/" })),
      pages: await pages({ prefix: "l/", limit: 3 }),
      groups: await pages({ prefix: "l/", delimiter: "/", limit: 2 }),
      singles: await pages({ prefix: "l/", delimiter: "/", limit: 1 }),
      startAfter: brief(await bucket.list({ prefix: "l/", startAfter: "l/c" })),
      startInGroup: brief(await bucket.list({ prefix: "l/", startAfter: "l/b/1", delimiter: "/" })),
      startBefore: brief(await bucket.list({ prefix: "l/d", startAfter: "a" })),
      limitZero: await refused(bucket.list({ limit: 0 })),
      limitLarge: await refused(bucket.list({ limit: 1001 })),
    };
    for (const include of [undefined, [], ["httpMetadata"], ["customMetadata"], ["httpMetadata", "customMetadata"]]) {
      out[`include ${include}`] = shown((await bucket.list({ prefix: "l/a", include })).objects[0]);
    }
    const first = await bucket.list({ prefix: "l/", limit: 4 });
    out.cursorBeforeStart = brief(await bucket.list({ prefix: "l/", cursor: first.cursor, startAfter: "l/a" }));
    out.cursorAfterStart = brief(await bucket.list({ prefix: "l/", cursor: first.cursor, startAfter: "l/d/1" }));
    return out;
  },

  async deletes(bucket) {
    const left = async () => (await bucket.list({ prefix: "del/" })).objects.map((object) => object.key);
    for (let n = 0; n < 6; n++) await bucket.put(`del/${n}`, "x");
    const out = [(await bucket.delete("del/0")) === undefined, await left()];
    await bucket.delete(["del/1", "del/2", "del/none", "del/1"]);
    out.push(await left());
    await bucket.delete([]);
    out.push(await left(), await bucket.get("del/1"));
    return out;
  },

  async overwrites(bucket) {
    const first = await bucket.put("o", filled(MIB, 1), { customMetadata: { n: "1" } });
    const reading = await bucket.get("o");
    const second = await bucket.put("o", "small");
    const old = new Uint8Array(await reading.arrayBuffer());
    const now = await bucket.get("o");
    return [
      first.version !== second.version,
      [old.length, old.every((byte) => byte === 1)],
      [await now.text(), now.customMetadata],
    ];
  },

  async multipart(bucket) {
    const out = {};
    const part = 5 * MIB;
    const upload = await bucket.createMultipartUpload("mp", {
      httpMetadata: { contentType: "a/b" },
      customMetadata: { m: "\u00e9" },
      storageClass: "InfrequentAccess",
    });
    out.key = upload.key;
    out.before = await bucket.head("mp");
    const one = await upload.uploadPart(1, filled(part, 1));
    await upload.uploadPart(3, filled(part, 9));
    const resumed = bucket.resumeMultipartUpload("mp", upload.uploadId);
    const three = await resumed.uploadPart(3, filled(part, 3));
    const seven = await resumed.uploadPart(7, filled(100, 7));
    await resumed.uploadPart(9, filled(100, 9));
    out.numbers = [one.partNumber, three.partNumber, seven.partNumber];
    const done = await resumed.complete([three, one, seven]);
    out.done = shown(done);
    out.head = shown(await bucket.head("mp"));
    const across = await bucket.get("mp", { range: { offset: part - 2, length: 4 } });
    out.across = [across.range, [...new Uint8Array(await across.arrayBuffer())]];
    const tail = await bucket.get("mp", { range: { offset: 2 * part - 1 } });
    out.tail = [tail.range, await hex("SHA-1", await tail.arrayBuffer())];
    out.whole = await hex("SHA-1", await (await bucket.get("mp")).arrayBuffer());
    out.again = await refused(upload.complete([one]));
    out.abortDone = await refused(upload.abort());
    out.late = await refused(upload.uploadPart(2, "x"));
    out.stillThere = shown(await bucket.head("mp"));
    return out;
  },

  async multipartRefusals(bucket) {
    const out = {};
    const upload = await bucket.createMultipartUpload("bad");
    const small = await upload.uploadPart(1, "small");
    const last = await upload.uploadPart(2, "last");
    out.small = await refused(upload.complete([small, last]));
    out.etag = await refused(upload.complete([{ partNumber: 1, etag: "f".repeat(32) }]));
    out.absent = await refused(upload.complete([{ partNumber: 5, etag: small.etag }]));
    out.twice = await refused(upload.complete([small, small]));
    const large = await upload.uploadPart(1, filled(5 * MIB, 1));
    const larger = await upload.uploadPart(2, filled(5 * MIB + 1, 1));
    out.largerLast = await refused(upload.complete([large, larger]));
    out.unequal = await refused(upload.complete([large, larger, await upload.uploadPart(3, "x")]));
    out.number0 = await refused(upload.uploadPart(0, "x"));
    out.number10001 = await refused(upload.uploadPart(10001, "x"));
    await upload.abort();
    await upload.abort();
    out.afterAbort = await refused(upload.complete([large]));
    out.partAfterAbort = await refused(upload.uploadPart(1, filled(2 * MIB, 1)));
    const unknown = bucket.resumeMultipartUpload("bad", "unknown");
    out.unknownPart = await refused(unknown.uploadPart(1, "x"));
    out.unknownComplete = await refused(unknown.complete([large]));
    out.unknownAbort = await refused(unknown.abort());
    out.nothing = await bucket.head("bad");
    const empty = await bucket.createMultipartUpload("no-parts");
    out.noParts = await refused(empty.complete([]));
    return out;
  },

  async limits(bucket) {
    const out = {};
    const long = "k".repeat(1025);
    out.longKey = [
      await refused(bucket.put(long, "x")),
      await refused(bucket.get(long)),
      await refused(bucket.head(long)),
      await refused(bucket.delete(long)),
      await refused(bucket.createMultipartUpload(long)),
    ];
    out.longKeyLargeBody = await refused(bucket.put(long, filled(4 * MIB, 1)));
    out.key1024 = shown(await bucket.put("k".repeat(1024), "x")).size;
    out.oddKeys = [];
    for (const key of ["a b", "..", "../x", "/", "a\u0000b", "tab\there", "q\"\\", "%2F", "\u{10FFFF}"]) {
      await bucket.put(key, key);
      out.oddKeys.push((await (await bucket.get(key)).text()) === key);
    }
    out.metadata = await refused(bucket.put("meta-large", filled(MIB, 1), { customMetadata: { k: "v".repeat(8192) } }));
    return out;
  },
};

export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname.slice(1);
    const out = {};
    for (const name of path === "" ? Object.keys(cases) : [path]) {
      try {
        out[name] = await cases[name](env.BUCKET);
      } catch (error) {
        out[name] = `failed: ${error.stack}`;
      }
    }
    return Response.json(out);
  },
};
