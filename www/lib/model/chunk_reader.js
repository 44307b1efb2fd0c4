/**
 * This module reads stored chunks and tells what they hold: by a checksum where that is the one of
 * the last visit, else by their SHA-256. A dedicated worker has that done by a worker of its own
 * (reader.js): opening files, and the copy that `crypto.subtle` makes, would otherwise hold up the
 * engine for as long as it takes to repack the weights.
 */
import { startReaderWorker } from '../parts.js';
import { checksum } from './checksum.js';
import { sha256 } from './sha256.js';

/** @import { Store } from '../storage/store.js' */

/**
 * A `ReadChunk` has no hash where its checksum is the one that was expected.
 *
 * @typedef {{bytes: Uint8Array<ArrayBuffer>, checksum: string, hash?: string}} ReadChunk
 */
/**
 * `ChunkFiles` are a chunk's parts in the store. `checksum` is what they had when their SHA-256 was
 * right; `buffer` may be used, and is of no use to its owner afterwards.
 *
 * @typedef {{folder: string, names: string[], checksum?: string | null,
 *   buffer?: ArrayBuffer}} ChunkFiles
 */

/**
 * A `ReadRequest` is what reader.js is asked for. It answers with a `ReadAnswer` of the same id,
 * and posts one without an id when it is ready.
 *
 * @typedef {ChunkFiles & {id: number}} ReadRequest
 * @typedef {{id?: number, chunk?: ReadChunk}} ReadAnswer
 */

/**
 * Returns the bytes of a chunk's files, one after the other, with their checksum, and their SHA-256
 * where the checksum is not the expected one; undefined where a file is missing.
 *
 * @param {Store} store
 * @param {ChunkFiles} files
 * @returns {Promise<ReadChunk | undefined>}
 */
export async function readAndHash(store, { folder, names, checksum: expected, buffer }) {
  const bytes = await store.read(folder, names, buffer);
  if (!bytes) return undefined;
  const found = checksum(bytes);
  if (found === expected) return { bytes, checksum: found };
  return { bytes, checksum: found, hash: await sha256(bytes) };
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

  /**
   * Ends the worker. Requests that it has not answered are read here.
   *
   * @param {ArrayBuffer[]} [buffers] that nobody uses any more
   */
  close(buffers = []) {
    this.#worker?.terminate();
    // What is sent to a worker that has ended is free at once.
    this.#worker?.postMessage(undefined, buffers);
    this.#ready = false;
    for (const answer of this.#asked.values()) answer(undefined);
    this.#asked.clear();
  }

  /**
   * Reads as `readAndHash` does.
   *
   * @param {ChunkFiles} files
   * @returns {Promise<ReadChunk | undefined>}
   */
  async read(files) {
    if (this.#ready) {
      const answer = await this.#ask(files);
      if (answer) return answer.chunk;
      files = { ...files, buffer: undefined };
    }
    return readAndHash(this.#store, files);
  }

  /**
   * @param {ChunkFiles} files
   * @returns {Promise<ReadAnswer | undefined>} undefined if the worker has failed
   */
  #ask(files) {
    const id = ++this.#last_id;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#worker?.postMessage({ ...files, id }, files.buffer ? [files.buffer] : []);
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
