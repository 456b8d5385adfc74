// Carts: one Durable Object each, so that two tabs of one customer never lose an item.
import { DurableObject } from 'cloudflare:workers';
import type { Env } from '../env';
import { select } from './provider';

export type Cart = Record<string, number>;

interface CartStore {
  add(id: string, item: string, quantity: number): Promise<Cart>;
}

function added(cart: Cart | null | undefined, item: string, quantity: number): Cart {
  return { ...cart, [item]: (cart?.[item] ?? 0) + quantity };
}

export class CartDurableObject extends DurableObject {
  // Reading and writing with nothing else awaited in between: the object's gates make it one step.
  async add(item: string, quantity: number): Promise<Cart> {
    const cart = added(await this.ctx.storage.get<Cart>('cart'), item, quantity);
    await this.ctx.storage.put('cart', cart);
    return cart;
  }
}

const memory = new Map<string, Cart>();

/** Adds `quantity` of `item` and answers the whole cart; a quantity of 0 only reads it. */
export function addToCart(id: string, item: string, quantity: number, env: Env): Promise<Cart> {
  const namespace = env.CART_DO;
  const store = select<CartStore>('carts', env.CART_STORE_PROVIDER, {
    cloudflare: namespace && { add: (id, ...change) => namespace.getByName(id).add(...change) },
    memory: {
      async add(id, item, quantity) {
        const cart = added(memory.get(id), item, quantity);
        memory.set(id, cart);
        return cart;
      },
    },
  });
  return store.add(id, item, quantity);
}
