/**
 * This module stores prefixes on the device, by a key. Together they take a limited number of
 * bytes; the least recently used ones are removed.
 */
import { openStore } from '../storage/store.js';
import { sha256 } from './sha256.js';

/** @import { Store } from '../storage/store.js' */

const FOLDER = 'prefixes';
const INDEX = 'index.json';
/** A prefix of 500 tokens takes 6 MB with a model of 0.5B parameters, and 56 MB with one of 3B. */
const BUDGET_BYTES = 256 << 20;

/** `noting` resolves when the last use is in the index. @type {Promise<void>} */
let noting = Promise.resolve();

/**
 * @param {string} key
 * @param {string} fingerprint of the model
 * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>}
 */
export async function readStoredPrefix(key, fingerprint) {
  const store = await openStore('disk');
  const name = await nameOf(key, fingerprint);
  const bytes = await store.read(FOLDER, [name]);
  // Whoever reads need not wait for that.
  if (bytes) noting = noting.then(() => noteUse(store, name)).catch(() => {});
  return bytes;
}

/**
 * @param {string} key
 * @param {string} fingerprint of the model
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {number} [budget_bytes]
 */
export async function storePrefix(key, fingerprint, bytes, budget_bytes = BUDGET_BYTES) {
  const store = await openStore('disk');
  const name = await nameOf(key, fingerprint);
  await noting;
  await evict(store, budget_bytes - bytes.length, name);
  await store.write(FOLDER, name, bytes);
  await noteUse(store, name);
}

/**
 * Returns how much the prefixes on this device take.
 *
 * @returns {Promise<number>} bytes
 */
export async function storedPrefixBytes() {
  const files = await (await openStore('disk')).files(FOLDER);
  files.delete(INDEX);
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes all prefixes from this device. Those that an engine holds keep working. */
export async function removeStoredPrefixes() {
  await noting;
  await (await openStore('disk')).remove(FOLDER);
}

/**
 * Removes the least recently used prefixes, until the others take at most this many bytes.
 *
 * @param {Store} store
 * @param {number} budget_bytes
 * @param {string} replaced is written anew, and does not count
 */
async function evict(store, budget_bytes, replaced) {
  const files = await store.files(FOLDER);
  files.delete(INDEX);
  files.delete(replaced);
  const used = await readIndex(store);
  const oldest_first = [...files].sort(([a], [b]) => (used[a] ?? 0) - (used[b] ?? 0));
  let total_bytes = oldest_first.reduce((sum, [, bytes]) => sum + bytes, 0);
  for (const [name, bytes] of oldest_first) {
    if (total_bytes <= budget_bytes) return;
    await store.remove(FOLDER, name);
    total_bytes -= bytes;
  }
}

/**
 * Writes into the index when a prefix was used. Two tabs that do so at once lose one of the times,
 * which harms nothing.
 *
 * @param {Store} store
 * @param {string} name
 */
async function noteUse(store, name) {
  const files = await store.files(FOLDER);
  const used = Object.entries(await readIndex(store)).filter(([name]) => files.has(name));
  const index = { ...Object.fromEntries(used), [name]: Date.now() };
  await store.write(FOLDER, INDEX, new TextEncoder().encode(JSON.stringify(index)));
}

/**
 * @param {Store} store
 * @returns {Promise<Record<string, number>>} when each prefix was used, in milliseconds since 1970
 */
async function readIndex(store) {
  const bytes = await store.read(FOLDER, [INDEX]);
  try {
    return Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    // A browser that was killed may leave half of it.
    return {};
  }
}

/**
 * @param {string} key
 * @param {string} fingerprint
 */
async function nameOf(key, fingerprint) {
  return `${(await sha256(new TextEncoder().encode(key))).slice(0, 32)}-${fingerprint}`;
}
