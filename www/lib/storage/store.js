/**
 * This module opens the store of model parts: small files in folders, behind a few methods that
 * work in pages, workers and service workers. A browser that is killed while it writes a file
 * leaves one that is too short, or the old one, and files beside it that nobody uses.
 */
import { messageOf } from '../errors.js';
import { CacheStore } from './cache_api.js';
import { MemoryStore } from './memory.js';
import { moveModels } from './move.js';
import { OpfsStore } from './opfs.js';

/**
 * @typedef {object} Store
 * @property {'opfs' | 'cache' | 'memory'} kind
 * @property {() => Promise<string[]>} folders
 * @property {(folder: string) => Promise<Map<string, number>>} files names and sizes; none where
 *   there is no such folder
 * @property {(
 *   folder: string,
 *   names: string[],
 *   buffer?: ArrayBuffer,
 * ) => Promise<Uint8Array<ArrayBuffer> | undefined>} read returns the files' bytes one after the
 *   other, in `buffer` if it is large enough; undefined where a file is missing
 * @property {(folder: string, name: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write
 * @property {(folder: string, name?: string) => Promise<void>} remove a file, or the folder with
 *   all in it
 * @property {() => void} [trim] gives back the memory of what was removed
 */

const ROOT = 'siskin';

/** @type {Promise<Store> | undefined} */
let persistent_store;

/**
 * Opens the best store that this browser has: OPFS, else the Cache API, else memory.
 *
 * @param {'disk' | 'memory'} wanted
 * @returns {Promise<Store>}
 */
export function openStore(wanted) {
  if (wanted === 'memory') return Promise.resolve(new MemoryStore());
  return (persistent_store ??= openPersistentStore());
}

/** @returns {Promise<Store>} */
async function openPersistentStore() {
  try {
    // Some browsers have OPFS but can write it only in dedicated workers.
    if ('createWritable' in FileSystemFileHandle.prototype) {
      const root = await navigator.storage.getDirectory();
      const store = new OpfsStore(await root.getDirectoryHandle(ROOT, { create: true }));
      await moveModels(oldCache, store, () => caches.delete(ROOT)).catch(() => {});
      return store;
    }
  } catch {
    // Private windows and blocked storage refuse OPFS; the Cache API may still work.
  }
  try {
    const store = new CacheStore(await caches.open(ROOT));
    await moveModels(oldOpfs, store, removeOpfs).catch(() => {});
    return store;
  } catch (error) {
    const why =
      error instanceof ReferenceError ? 'this page is not served over https' : messageOf(error);
    console.warn(
      `Siskin cannot keep models on this device (${why}): each visit fetches them again.`,
    );
    return new MemoryStore();
  }
}

async function oldCache() {
  return (await caches.has(ROOT)) ? new CacheStore(await caches.open(ROOT)) : undefined;
}

async function oldOpfs() {
  const root = await navigator.storage.getDirectory();
  return new OpfsStore(await root.getDirectoryHandle(ROOT));
}

async function removeOpfs() {
  await (await navigator.storage.getDirectory()).removeEntry(ROOT);
}
