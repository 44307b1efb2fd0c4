/** Room on the visitor's disk: asked for before it is taken. */
import { SiskinError } from './errors.js';
import { ifFree } from './lock.js';
import { readRecord } from './record.js';

/** @import { Store } from './storage.js' */

/**
 * Sees to it that so many bytes can be stored.
 *
 * @param {Store} store
 * @param {number} wanted_bytes
 * @param {boolean} evict whether models that were not used for longest may go
 * @throws {SiskinError} `storage_full`
 */
export async function makeRoom(store, wanted_bytes, evict) {
  let missing_bytes = await missing(wanted_bytes);
  if (missing_bytes > 0 && evict) {
    for (const folder of await byLastUse(store)) {
      // One that is being fetched keeps its place.
      await ifFree(folder, () => store.remove(folder));
      missing_bytes = await missing(wanted_bytes);
      if (missing_bytes <= 0) break;
    }
  }
  if (missing_bytes > 0) throw fullError(wanted_bytes, missing_bytes);
}

/**
 * @param {number} wanted_bytes
 * @param {number} missing_bytes
 */
export function fullError(wanted_bytes, missing_bytes) {
  return new SiskinError(
    'storage_full',
    `The model needs ${wanted_bytes} bytes more on this device, and the browser gives this site ${missing_bytes} bytes too few. ` +
      "Free space or remove another model; a page can also load with evict: true, or with storage: 'memory' to keep nothing.",
  );
}

/** @param {unknown} error */
export function isFull(error) {
  return error instanceof DOMException && error.name === 'QuotaExceededError';
}

/**
 * @param {number} wanted_bytes
 * @returns {Promise<number>} how many bytes are too few
 */
export async function missing(wanted_bytes) {
  const { quota, usage } = await navigator.storage.estimate();
  return quota === undefined || usage === undefined ? 0 : wanted_bytes - (quota - usage);
}

/** @param {Store} store */
async function byLastUse(store) {
  const folders = await store.folders();
  const used = await Promise.all(folders.map(async (folder) => ({ folder, used_ms: (await readRecord(store, folder))?.used_ms ?? 0 })));
  return used.sort((a, b) => a.used_ms - b.used_ms).map(({ folder }) => folder);
}
