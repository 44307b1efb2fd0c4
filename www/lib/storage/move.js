/**
 * This module moves models from a store that an older version of the browser used: one that could
 * not write OPFS in pages kept them in the Cache API.
 */
import { isFull } from './quota.js';

/** @import { Store } from './store.js' */

/** One tab or worker moves; the others wait, and find the models in the new store. */
const LOCK = 'siskin move';

/**
 * Moves all models. What was interrupted goes on the next time.
 *
 * @param {() => Promise<Store | undefined>} openOld undefined where nothing is left there
 * @param {Store} store
 * @param {() => Promise<unknown>} removeOld
 */
export async function moveModels(openOld, store, removeOld) {
  if (!(await openOld())) return;
  await navigator.locks.request(LOCK, async () => {
    const old = await openOld();
    if (!old) return;
    for (const folder of await old.folders()) await moveFolder(old, store, folder);
    await removeOld();
  });
}

/**
 * Moves a folder file by file, so that no more room is needed than for one. The record comes last:
 * a folder with a record is whole, or was begun anew in the new store.
 *
 * @param {Store} old
 * @param {Store} store
 * @param {string} folder
 */
async function moveFolder(old, store, folder) {
  const names = [...(await old.files(folder)).keys()];
  const isRecord = (/** @type {string} */ name) => name.endsWith('.json');
  names.sort((a, b) => Number(isRecord(a)) - Number(isRecord(b)));
  const present = [...(await store.files(folder)).keys()].some(isRecord);
  try {
    for (const name of present ? [] : names) {
      const bytes = await old.read(folder, [name]);
      if (bytes) await store.write(folder, name, bytes);
      await old.remove(folder, name);
    }
  } catch (error) {
    if (!isFull(error)) throw error;
    // The model would lie in both stores in part, and in neither could it be used or removed.
    await store.remove(folder);
  }
  await old.remove(folder);
}
