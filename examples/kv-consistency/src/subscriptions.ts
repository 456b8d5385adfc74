// Who has paid, kept in one of two places. The shop does not know which.

export type Plan = "free" | "premium";

export interface Subscriptions {
  plan(user: string): Promise<Plan>;
  subscribe(user: string, plan: Plan): Promise<void>;
}

/** Fast everywhere, and up to a minute behind: what one location wrote, another may not see yet. */
export class KvSubscriptions implements Subscriptions {
  constructor(private readonly kv: KVNamespace) {}

  async plan(user: string): Promise<Plan> {
    return ((await this.kv.get(user)) as Plan | null) ?? "free";
  }

  async subscribe(user: string, plan: Plan): Promise<void> {
    await this.kv.put(user, plan);
  }
}

/** One truth for all locations: what was written is read. */
export class D1Subscriptions implements Subscriptions {
  constructor(private readonly db: D1Database) {}

  async plan(user: string): Promise<Plan> {
    const plan = await this.db.prepare("SELECT plan FROM subscriptions WHERE user = ?").bind(user).first<Plan>("plan");
    return plan ?? "free";
  }

  async subscribe(user: string, plan: Plan): Promise<void> {
    await this.db
      .prepare("INSERT INTO subscriptions VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET plan = ?2")
      .bind(user, plan)
      .run();
  }
}

export type Store = "kv" | "d1";

export function open(env: Env, store: Store): Subscriptions {
  return store === "d1" ? new D1Subscriptions(env.DB) : new KvSubscriptions(env.SUBSCRIPTIONS);
}
