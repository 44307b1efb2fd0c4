/** This module checks the browser's quota before a model is stored, and evicts models. */
import { SiskinError } from '../errors.js';
import { ifUnlocked } from './locks.js';

/** @import { Store } from './store.js' */

/**
 * A `LastUse` returns when the model in a folder was last used, in milliseconds since 1970.
 *
 * @typedef {(folder: string) => Promise<number>} LastUse
 */

/**
 * Ensures that this many bytes can be stored, as far as the browser's estimate tells: some browsers
 * name a quota that they do not grant.
 *
 * @param {Store} store
 * @param {number} wanted_bytes
 * @param {LastUse} [lastUse] given where the least recently used models may be removed
 * @throws {SiskinError} `storage_full`
 */
export async function ensureQuota(store, wanted_bytes, lastUse) {
  for (;;) {
    // Safari before 17 has no estimate: there the first write that fails tells.
    const { quota, usage } = (await navigator.storage.estimate?.()) ?? {};
    const missing_bytes =
      quota === undefined || usage === undefined ? 0 : wanted_bytes - (quota - usage);
    if (missing_bytes <= 0) return;
    if (!lastUse || !(await evictLeastRecent(store, lastUse))) throw fullError(missing_bytes);
  }
}

/**
 * Removes the least recently used model that is not being fetched.
 *
 * @param {Store} store
 * @param {LastUse} lastUse
 * @returns {Promise<boolean>} whether there was one
 */
export async function evictLeastRecent(store, lastUse) {
  for (const folder of await byLastUse(store, lastUse)) {
    if (await ifUnlocked(folder, () => store.remove(folder))) return true;
  }
  return false;
}

/** @param {number} missing_bytes */
export function fullError(missing_bytes) {
  return new SiskinError(
    'storage_full',
    `The browser gives this site ${missing_bytes} bytes too few to keep the model. Free ` +
      "space on the device, remove another model, or load with evict: true or storage: 'memory'.",
  );
}

/** @param {unknown} error */
export function isFull(error) {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}

/**
 * @param {Store} store
 * @param {LastUse} lastUse
 */
async function byLastUse(store, lastUse) {
  const folders = await store.folders();
  const used = await Promise.all(
    folders.map(async (folder) => ({ folder, used_ms: await lastUse(folder) })),
  );
  return used.sort((a, b) => a.used_ms - b.used_ms).map(({ folder }) => folder);
}
