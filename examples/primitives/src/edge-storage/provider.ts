// The reference's provider selection: a variable chooses the store, and a provider whose binding is missing falls
// back to memory, with a warning. `redis`, its other provider, needs a server of its own and is left out.

export function select<Store>(
  what: string,
  provider: string | undefined,
  stores: { [provider: string]: Store | undefined; memory: Store },
): Store {
  const chosen = provider === undefined ? undefined : stores[provider];
  if (chosen) return chosen;
  console.warn(`${what}: nothing is bound for the provider "${provider}", falling back to memory`);
  return stores.memory;
}
