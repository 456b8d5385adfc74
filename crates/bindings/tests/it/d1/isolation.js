// Many requests at once on one database; each answers with what it saw.

const increments = async (db, times) => {
  const one = () => db.prepare('UPDATE counter SET n = n + 1 RETURNING n').first('n');
  return Promise.all(Array.from({ length: times }, one));
};

// A transfer is a batch whose second statement may fail: then its first must not have happened.
const transfers = async (db, times) => {
  let failed = 0;
  const one = async (_, i) => {
    const amount = i % 3 === 0 ? 1000000 : 1;
    const move = [
      db.prepare('UPDATE account SET balance = balance + ? WHERE id = 2').bind(amount),
      db.prepare('UPDATE account SET balance = balance - ? WHERE id = 1').bind(amount),
      db.prepare('INSERT INTO ledger (amount) VALUES (?)').bind(amount),
    ];
    try {
      await db.batch(move);
    } catch (e) {
      if (!e.message.includes('CHECK constraint failed')) throw e;
      failed++;
    }
  };
  // Beside them, who looks: both balances come from one state.
  const sums = Array.from({ length: times }, () => db.prepare('SELECT sum(balance) AS s FROM account').first('s'));
  const pairs = Array.from({ length: times }, async () => {
    const [one, two] = await db.batch([1, 2].map((id) => db.prepare('SELECT balance FROM account WHERE id = ?').bind(id)));
    return one.results[0].balance + two.results[0].balance;
  });
  await Promise.all(Array.from({ length: times }, one));
  return { failed, seen: [...new Set(await Promise.all([...sums, ...pairs]))] };
};

export default {
  async fetch(request, env) {
    const { what, times } = await request.json();
    const db = env.OURS;
    if (what === 'increments') return Response.json(await increments(db, times));
    if (what === 'transfers') return Response.json(await transfers(db, times));
    return Response.json((await db.prepare(what).all()).results);
  },
};
