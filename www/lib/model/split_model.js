/**
 * This module reads a model that llama.cpp has split into several files, as though it were one. Each
 * file is stored, verified and known by its own address.
 */
import { SiskinError } from '../errors.js';
import { FileRequests } from './file_requests.js';
import { ModelFile } from './model_file.js';

/** @import { UrlSource } from '../protocol.js' */

/**
 * Returns the sources of the files of a split model.
 *
 * @param {UrlSource} source of the first file
 * @param {number} count
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
  const of = `-of-${String(count).padStart(5, '0')}.gguf`;
  return Array.from({ length: count }, (_, i) => {
    const url = new URL(source.url);
    const number = String(i + 1).padStart(5, '0');
    url.pathname = url.pathname.replace(`-00001${of}`, `-${number}${of}`);
    // Where the key is an address, it may have fewer parameters than the file's own.
    const named = source.key.replace(`-00001${of}`, `-${number}${of}`);
    const key = i > 0 && named === source.key ? `${named} ${number}${of}` : named;
    return { ...source, url: url.href, key };
  });
}

/** A `SplitModel` does what a `ModelFile` does, for all files of a model. */
export class SplitModel {
  #sources;
  #files;
  #signal;
  /** Holds the files' lengths, as far as the server tells. @type {(number | null)[]} */
  #lengths = [];

  /**
   * Callers use `SplitModel.open` instead of the constructor.
   *
   * @param {UrlSource[]} sources
   * @param {ModelFile[]} files
   * @param {AbortSignal} [signal]
   */
  constructor(sources, files, signal = new AbortController().signal) {
    this.#sources = sources;
    this.#files = files;
    this.#signal = signal;
  }

  /**
   * @param {UrlSource[]} sources
   * @param {AbortSignal} [signal] ends everything; what has arrived stays
   * @returns {Promise<SplitModel>} to be closed
   * @throws {SiskinError} `storage_failed`
   */
  static async open(sources, signal) {
    /** @type {ModelFile[]} */
    const files = [];
    const model = new SplitModel(sources, files, signal);
    try {
      for (const source of sources) files.push(await ModelFile.open(source, signal));
    } catch (error) {
      model.close();
      throw error;
    }
    return model;
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
    this.#files[0].start();
    this.#files.forEach(async (file, i) => {
      if (i === 0 || file.total_bytes !== null) return;
      const { url, init } = this.#sources[i];
      this.#lengths[i] = await new FileRequests(init, this.#signal).lengthOf(url);
    });
  }

  /**
   * Yields the chunks of all files, as `ModelFile` does.
   *
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
   * @throws {SiskinError} as `ModelFile.chunks`
   */
  async *chunks() {
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
