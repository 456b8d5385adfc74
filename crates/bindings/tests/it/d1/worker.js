// Takes steps, `[kind, ...arguments]`, does each on both databases and answers with both outcomes.

const params = (values) => values.map((v) => (Array.isArray(v) ? new Uint8Array(v) : v));

const prepare = (db, [sql, ...values]) => {
  const statement = db.prepare(sql);
  return values.length ? statement.bind(...params(values)) : statement;
};

const kinds = {
  all: (db, ...rest) => prepare(db, rest).all(),
  run: (db, ...rest) => prepare(db, rest).run(),
  raw: (db, ...rest) => prepare(db, rest).raw({ columnNames: true }),
  first: (db, ...rest) => prepare(db, rest).first(),
  column: (db, name, ...rest) => prepare(db, rest).first(name),
  batch: (db, ...statements) => db.batch(statements.map((s) => prepare(db, s))),
  exec: async (db, sql) => (await db.exec(sql)).count,
  dump: (db) => db.dump(),
  undefined: (db) => db.prepare('SELECT ?').bind(undefined).first(),
  numbers: (db) => db.prepare('SELECT ? a, ? b, ? c, ? d').bind(NaN, Infinity, true, -0).first(),
  // The shape of a bookmark, and that it rises; the bookmarks themselves differ.
  session: async (db, token, sql) => {
    const session = db.withSession(token);
    const before = session.getBookmark();
    const { results } = await session.prepare(sql).all();
    const first = session.getBookmark();
    await session.batch([session.prepare('INSERT INTO sessions VALUES (1)')]);
    const second = session.getBookmark();
    const rises = first.localeCompare(second) < 0;
    return { before, results, got: typeof first, rises };
  },
};

const attempt = async (db, [kind, ...rest]) => {
  try {
    return { ok: (await kinds[kind](db, ...rest)) ?? null };
  } catch (e) {
    return { error: e.message, cause: e.cause?.message };
  }
};

export default {
  async fetch(request, env) {
    const answers = [];
    for (const step of await request.json()) {
      answers.push([await attempt(env.OURS, step), await attempt(env.BUNDLED, step)]);
    }
    return Response.json(answers);
  },
};
