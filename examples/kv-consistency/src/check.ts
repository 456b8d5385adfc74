// "You update a user's subscription status in KV, redirect them to the premium page, and it reads the old value."
// The user looks at the premium page in Tokyo, pays, and the payment provider's webhook comes in at Amsterdam.

import type { Store } from "./subscriptions";

interface Result {
  name: string;
  ok: boolean;
  detail: string;
}

/** Asks this Worker, as a client at `colo` would. */
async function ask(origin: string, colo: string, method: string, path: string): Promise<string> {
  const response = await fetch(origin + path, { method, headers: { "CF-Colo": colo } });
  return `${response.status} ${await response.text()}`;
}

/** Whether who has paid is let in at once, with the subscriptions in `store`. */
export async function check(origin: string, store: Store): Promise<{ ok: boolean; store: Store; results: Result[] }> {
  const user = crypto.randomUUID();
  const query = `?user=${user}&store=${store}`;
  const results: Result[] = [];
  const expect = (name: string, expected: string, detail: string) => {
    results.push({ name, ok: detail.startsWith(expected), detail });
  };
  expect("Tokyo: not subscribed yet", "402", await ask(origin, "NRT", "GET", `/premium${query}`));
  expect("Amsterdam: the payment arrives", "200", await ask(origin, "AMS", "POST", `/pay${query}`));
  expect("Amsterdam: the premium page", "200", await ask(origin, "AMS", "GET", `/premium${query}`));
  expect("Tokyo: the premium page", "200", await ask(origin, "NRT", "GET", `/premium${query}`));
  return { ok: results.every((result) => result.ok), store, results };
}
