// What the tests ask of a Worker, one route each.
let cancelled = 0;
let hanging = 0;
const encode = (text) => new TextEncoder().encode(text);

const routes = {
  hello: () => new Response("hello"),
  name: (request, env) => new Response(env.NAME),
  head: async (request) =>
    Response.json({
      url: request.url,
      method: request.method,
      cf: request.cf,
      headers: [...request.headers],
    }),
  // The body comes back as it arrives.
  echo: (request) => new Response(request.body),
  count: async (request) => {
    let bytes = 0;
    for await (const chunk of request.body ?? []) bytes += chunk.byteLength;
    return new Response(String(bytes));
  },
  // Answers at once, and ignores the body.
  early: () => new Response("early"),
  // Answers at once, and reads the body while the answer goes on.
  both: (request) => {
    const { readable, writable } = new TransformStream();
    (async () => {
      const writer = writable.getWriter();
      await writer.write(encode("started\n"));
      let bytes = 0;
      for await (const chunk of request.body) bytes += chunk.byteLength;
      await writer.write(encode(`read ${bytes}\n`));
      await writer.close();
    })();
    return new Response(readable);
  },
  // A line now and then, until nobody takes it.
  endless: () => {
    let timer;
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(encode("line\n"));
        timer = setInterval(() => controller.enqueue(encode("line\n")), 20);
      },
      cancel: () => {
        clearInterval(timer);
        cancelled += 1;
      },
    });
    return new Response(body);
  },
  cancelled: () => new Response(String(cancelled)),
  slow: async () => {
    await scheduler.wait(300);
    return new Response("slow");
  },
  hang: async () => {
    hanging += 1;
    await scheduler.wait(3_600_000);
    return new Response("never");
  },
  hanging: () => new Response(String(hanging)),
  empty: () => new Response(null, { status: 204 }),
  unchanged: () => new Response(null, { status: 304, headers: { etag: '"1"' } }),
  cookies: () => {
    const headers = new Headers();
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    return new Response("cookies", { headers });
  },
  throw: () => {
    throw new TypeError("x is not <a function>");
  },
  own500: () => new Response("Internal Server Error", { status: 500 }),
  ws: (request) => {
    if (request.headers.get("upgrade") !== "websocket") return new Response("no WebSocket", { status: 426 });
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.binaryType = "arraybuffer";
    server.addEventListener("message", ({ data }) =>
      data === "close" ? server.close(4001, "asked to") : server.send(data),
    );
    server.addEventListener("close", () => {
      cancelled += 1;
    });
    return new Response(null, { status: 101, webSocket: client });
  },
};

export default {
  fetch: (request, env) => {
    const name = new URL(request.url).pathname.split("/")[1];
    return (routes[name] ?? routes.head)(request, env);
  },
};
