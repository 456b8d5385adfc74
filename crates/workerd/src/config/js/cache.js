// The Cache API of an app: nothing is ever found, everything may be put.
export default {
  async fetch(request) {
    switch (request.method) {
      case "PUT":
        // The runtime wants its body to be read before the answer.
        await request.body?.pipeTo(new WritableStream());
        return new Response(null, { status: 204 });
      case "PURGE":
        return new Response(null, { status: 404 });
      default:
        return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
    }
  },
};
