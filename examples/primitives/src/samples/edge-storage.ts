import { addToCart } from '../edge-storage/cart';
import { attemptLogin } from '../edge-storage/rate-limiter';
import { sessions } from '../edge-storage/session';
import { must, same, type Sample } from './sample';

export const edgeStorage: Sample[] = [
  {
    name: 'edge-cart',
    shows: 'CART_DO: a cart with strong consistency: ten items added at once, none lost',
    async run({ env }) {
      const id = crypto.randomUUID();
      await Promise.all(Array.from({ length: 10 }, () => addToCart(id, 'apple', 1, env)));
      const cart = await addToCart(id, 'pear', 2, env);
      same(cart, { apple: 10, pear: 2 }, 'the cart');
      return cart;
    },
  },
  {
    name: 'edge-sessions',
    shows: 'SESSION_DO: read after write, and an index of sessions per customer',
    async run({ env }) {
      const customer = crypto.randomUUID();
      const store = sessions(env);
      const [a, b] = [await store.open(customer), await store.open(customer)];
      const open = await store.list(customer);
      same(open.map(({ id }) => id).sort(), [a.id, b.id].sort(), 'the open sessions');
      must(await store.close(customer, a.id), 'a session to close');
      must(!(await store.close(customer, a.id)), 'nothing to close twice');
      const left = await store.list(customer);
      same(left.map(({ id }) => id), [b.id], 'the session left');
      return { open, left };
    },
  },
  {
    name: 'edge-rate-limit',
    shows: 'LOGIN_RATE_LIMIT_KV: five attempts a minute, the sixth is refused',
    async run({ env }) {
      const who = crypto.randomUUID();
      const now = Date.now();
      const attempts = [];
      for (let n = 1; n <= 6; n++) attempts.push((await attemptLogin(who, env, now)).allowed);
      same(attempts, [true, true, true, true, true, false], 'the attempts');
      return attempts;
    },
  },
  {
    name: 'edge-fallback',
    shows: 'a provider whose binding is missing falls back to memory, with a warning',
    async run({ env }) {
      const id = crypto.randomUUID();
      const cart = await addToCart(id, 'apple', 1, { ...env, CART_DO: undefined });
      same(cart, { apple: 1 }, 'the cart in memory');
      same(await addToCart(id, 'apple', 0, env), { apple: 0 }, 'the cart in the Durable Object');
      return cart;
    },
  },
];
