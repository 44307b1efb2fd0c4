/**
 * This module is the worker that reads stored chunks and checks them for the worker that owns the
 * engine (model/chunk_reader.js).
 */
import { readAndHash } from './model/chunk_reader.js';
import { openStore } from './storage/store.js';

/** @import { ReadAnswer, ReadRequest } from './model/chunk_reader.js' */

/**
 * @typedef {object} Reader
 * @property {(message: ReadAnswer, transfer?: Transferable[]) => void} postMessage
 * @property {((event: MessageEvent<ReadRequest>) => void) | null} onmessage
 */

/** @type {Reader} */
const reader = /** @type {any} */ (globalThis);

openStore('disk').then((store) => {
  reader.onmessage = async ({ data: { id, ...files } }) => {
    // Files that cannot be read count as missing, as for any reader.
    const chunk = await readAndHash(store, files).catch(() => undefined);
    reader.postMessage({ id, chunk }, chunk ? [chunk.bytes.buffer] : []);
  };
  reader.postMessage({});
});
