/**
 * This module reads a model that llama.cpp has split into several files, as though it were one.
 * Each file is stored, verified and known by its own address.
 */
import { SiskinError } from '../errors.js';
import { contentLength } from './http.js';

/** @import { UrlSource } from '../protocol.js' */
/** @import { ModelFile } from './model_file.js' */

/**
 * Returns the sources of the files of a split model.
 *
 * @param {UrlSource} source of the first file
 * @param {string} count in five digits
 * @returns {UrlSource[]}
 * @throws {SiskinError} `invalid_argument` where one hash is to be that of all
 */
export function splitSources(source, count) {
  if (source.sha256 !== undefined)
    throw new SiskinError(
      'invalid_argument',
      'A model in several files has no `sha256`. Write a manifest with siskin shard for it, or ' +
        'leave the hash out.',
    );
  const of = `-of-${count}.gguf`;
  return Array.from({ length: Number(count) }, (_, i) => {
    const url = new URL(source.url);
    const file = `-${String(i + 1).padStart(5, '0')}${of}`;
    const renamed = (/** @type {string} */ text) => text.replace(`-00001${of}`, file);
    url.pathname = renamed(url.pathname);
    // The key is the address, or a name that the caller gave.
    const key = renamed(source.key);
    return { ...source, url: url.href, key: i > 0 && key === source.key ? key + file : key };
  });
}

/** A `SplitModel` does what a `ModelFile` does, for all files of a model. */
export class SplitModel {
  #sources;
  #files;
  #signal;
  /** Holds the files' lengths, as far as the server tells. @type {(number | null)[]} */
  #lengths = [];
  #started = false;

  /**
   * @param {UrlSource[]} sources
   * @param {ModelFile[]} files of these sources
   * @param {AbortSignal} [signal]
   */
  constructor(sources, files, signal) {
    this.#sources = sources;
    this.#files = files;
    this.#signal = signal;
  }

  /** Tells whether all files were stored when they were opened. */
  get from_cache() {
    return this.#files.every((file) => file.from_cache);
  }

  get total_bytes() {
    return this.#files.reduce((/** @type {number | null} */ sum, file, i) => {
      const size_bytes = file.total_bytes ?? this.#lengths[i] ?? null;
      return sum === null || size_bytes === null ? null : sum + size_bytes;
    }, 0);
  }

  get arrived_bytes() {
    return this.#files.reduce((sum, file) => sum + file.arrived_bytes, 0);
  }

  /** Starts to read or to download, and asks how long the files are that are not there. */
  start() {
    if (this.#started) return;
    this.#started = true;
    this.#files[0].start();
    this.#files.forEach(async (file, i) => {
      if (i === 0 || file.total_bytes !== null) return;
      const { url, init } = this.#sources[i];
      try {
        const response = await fetch(url, { ...init, method: 'HEAD', signal: this.#signal });
        if (response.ok) this.#lengths[i] = contentLength(response);
      } catch {
        // Nothing but the progress needs it.
      }
    });
  }

  /**
   * Yields the chunks of all files, as `ModelFile` does.
   *
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
   * @throws {SiskinError} as `ModelFile.chunks`
   */
  async *chunks() {
    this.start();
    for (const file of this.#files) {
      file.start();
      yield* file.chunks();
    }
  }

  /**
   * Yields a byte range of all files together, each chunk verified.
   *
   * @param {number} first
   * @param {number} end the first byte that is not wanted
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
   * @throws {SiskinError} as `chunks`
   */
  async *bytes(first, end) {
    let begin = 0;
    for (const file of this.#files) {
      if (begin >= end) return;
      const size_bytes = file.total_bytes ?? Infinity;
      yield* file.bytes(Math.max(0, first - begin), Math.min(size_bytes, end - begin));
      begin += size_bytes;
    }
  }

  /**
   * Fetches and verifies the first missing chunk, as `ModelFile` does.
   *
   * @returns {Promise<boolean>} whether all is there now
   * @throws {SiskinError} as `chunks`
   */
  async fetchChunk() {
    for (const file of this.#files) {
      const { arrived_bytes } = file;
      if (!(await file.fetchChunk())) return false;
      if (file.arrived_bytes > arrived_bytes) return file === this.#files.at(-1);
    }
    return true;
  }

  /**
   * Removes the files from the store, because their content is wrong.
   *
   * @param {unknown} why the error for readers
   */
  async discard(why) {
    await Promise.all(this.#files.map((file) => file.discard(why)));
  }

  close() {
    for (const file of this.#files) file.close();
  }
}
