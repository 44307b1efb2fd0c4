/**
 * This module reads stored chunks and hashes them. A dedicated worker has that done by a worker of
 * its own (reader.js): opening files, and the copy that `crypto.subtle` makes, would otherwise hold
 * up the engine for as long as it takes to repack the weights.
 */
import { startReaderWorker } from '../parts.js';
import { sha256 } from './sha256.js';

/** @import { Store } from '../storage/store.js' */

/** @typedef {{bytes: Uint8Array<ArrayBuffer>, hash: string}} HashedChunk */

/**
 * A `ReadRequest` is what reader.js is asked for. It answers with a `ReadAnswer` of the same id,
 * and posts one without an id when it is ready.
 *
 * @typedef {{id: number, folder: string, names: string[], buffer?: ArrayBuffer}} ReadRequest
 * @typedef {{id?: number, chunk?: HashedChunk}} ReadAnswer
 */

/**
 * Returns the bytes of the files `names`, one after the other, with their SHA-256; undefined where
 * a file is missing.
 *
 * @param {Store} store
 * @param {string} folder
 * @param {string[]} names
 * @param {ArrayBuffer} [buffer] that may be used
 * @returns {Promise<HashedChunk | undefined>}
 */
export async function readAndHash(store, folder, names, buffer) {
  const bytes = await store.read(folder, names, buffer);
  return bytes && { bytes, hash: await sha256(bytes) };
}

/** A `ChunkReader` reads the chunks of one store. */
export class ChunkReader {
  #store;
  /** @type {Worker | undefined} */
  #worker;
  /** Tells whether the worker takes requests. Until then, and where it fails, there is none. */
  #ready = false;
  /** @type {Map<number, (answer: ReadAnswer | undefined) => void>} */
  #asked = new Map();
  #last_id = 0;

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
  }

  /** Starts the worker, where there can be one. */
  start() {
    const inWorker = 'DedicatedWorkerGlobalScope' in globalThis && typeof Worker === 'function';
    if (this.#worker || !inWorker || this.#store.kind !== 'opfs') return;
    try {
      this.#worker = startReaderWorker();
    } catch {
      // The chunks are read here, where no worker can be started.
      return;
    }
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = (event) => {
      // Unhandled, it would count as an error of this worker.
      event.preventDefault();
      this.close();
    };
    this.#worker.onmessageerror = () => this.close();
  }

  /** Ends the worker. Requests that it has not answered are read here. */
  close() {
    this.#worker?.terminate();
    this.#ready = false;
    for (const answer of this.#asked.values()) answer(undefined);
    this.#asked.clear();
  }

  /**
   * Reads as `readAndHash` does.
   *
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer] that may be used; the caller's own is of no use afterwards
   * @returns {Promise<HashedChunk | undefined>}
   */
  async read(folder, names, buffer) {
    if (this.#ready) {
      const answer = await this.#ask(folder, names, buffer);
      if (answer) return answer.chunk;
      buffer = undefined;
    }
    return readAndHash(this.#store, folder, names, buffer);
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   * @returns {Promise<ReadAnswer | undefined>} undefined if the worker has failed
   */
  #ask(folder, names, buffer) {
    const id = ++this.#last_id;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#worker?.postMessage({ id, folder, names, buffer }, buffer ? [buffer] : []);
    });
  }

  /** @param {ReadAnswer} answer */
  #receive(answer) {
    if (answer.id === undefined) {
      this.#ready = true;
      return;
    }
    this.#asked.get(answer.id)?.(answer);
    this.#asked.delete(answer.id);
  }
}
