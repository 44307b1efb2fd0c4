// This module stands in for chrome.storage.local: values are copied on the way in and out, and
// changes are told a turn later, as Chrome does.

/**
 * Puts a `chrome` on the global object.
 *
 * @param {Record<string, unknown>} [items] what is stored already
 * @returns {{items: Map<string, unknown>, breakReading: () => void}}
 */
export function installFakeChrome(items = {}) {
  const stored = new Map(Object.entries(items));
  const listeners = new Set();
  let broken = false;
  globalThis.chrome = {
    storage: {
      local: {
        async get(keys) {
          if (broken) throw new Error('IO error: the database is corrupt.');
          return structuredClone(
            Object.fromEntries(
              keys.filter((key) => stored.has(key)).map((key) => [key, stored.get(key)]),
            ),
          );
        },
        async set(changed) {
          const changes = {};
          for (const [key, newValue] of Object.entries(structuredClone(changed))) {
            changes[key] = { oldValue: stored.get(key), newValue };
            stored.set(key, newValue);
          }
          setImmediate(() => {
            for (const listener of listeners) listener(changes, 'local');
          });
        },
      },
      onChanged: {
        addListener: (listener) => listeners.add(listener),
        removeListener: (listener) => listeners.delete(listener),
      },
    },
  };
  return { items: stored, breakReading: () => (broken = true) };
}
