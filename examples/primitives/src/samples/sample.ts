import type { Env } from '../env';

/** One sample of the three documents: /samples/<name> runs it and shows what it answered, /check runs them all. */
export interface Sample {
  name: string;
  /** One line for the index page. */
  shows: string;
  /** Runs it, checks what came back with `must`, and answers something worth reading. */
  run(context: Context): Promise<unknown>;
}

export interface Context {
  env: Env;
  ctx: ExecutionContext;
  /** Answers a request as the Worker does, for samples that are about HTTP. */
  handle(request: Request): Promise<Response>;
  /** What sets the keys of this run apart: empty on a page, so that its keys are the documents'. */
  tag: string;
}

export function must(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`expected: ${what}`);
}

export function same(actual: unknown, expected: unknown, what: string) {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  must(a === e, `${what} to be ${e}, got ${a}`);
}

/** The error that `promise` ends with. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return String(error);
  }
  throw new Error('expected: an error');
}

export const uniqueEmail = (name: string) => `${name}.${crypto.randomUUID()}@example.com`;
