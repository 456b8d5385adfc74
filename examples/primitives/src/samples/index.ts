import { d1 } from './d1';
import { edgeStorage } from './edge-storage';
import { kv } from './kv';
import { module } from './module';
import { r2 } from './r2';
import type { Context, Sample } from './sample';

export const groups: { title: string; samples: Sample[] }[] = [
  { title: 'Workers KV', samples: kv },
  { title: 'D1 and Drizzle ORM', samples: d1 },
  { title: 'R2', samples: r2 },
  { title: 'State and Storage: the module', samples: module },
  { title: 'Carts, sessions and rate limits at the edge', samples: edgeStorage },
];

export const find = (name: string) => groups.flatMap(({ samples }) => samples).find(sample => sample.name === name);

/** Runs every sample, one after the other. */
export async function check(context: Context) {
  const results: { name: string; ok: boolean; detail: unknown }[] = [];
  for (const sample of groups.flatMap(({ samples }) => samples)) {
    try {
      results.push({ name: sample.name, ok: true, detail: await sample.run(context) });
    } catch (error) {
      results.push({ name: sample.name, ok: false, detail: String(error) });
    }
  }
  return { ok: results.every(({ ok }) => ok), results };
}
