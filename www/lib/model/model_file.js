/**
 * This module opens a model at a URL and yields its verified bytes in file order: from the store as
 * far as they are there, else from the network.
 */
import { Download } from './download.js';
import { SiskinError, abortedError } from '../errors.js';
import { replacedError } from './file_version.js';
import { HttpError } from './http.js';
import { ifUnlocked, withLock } from '../storage/locks.js';
import { isManifest } from './manifest.js';
import { CHUNK_BYTES, PARTS_PER_CHUNK, folderOf, folderWith } from './record.js';
import { isReplaced } from './revalidate.js';
import { shareModel } from './share.js';
import { Sha256, hashInPieces } from './sha256.js';
import { PartStore } from './part_store.js';
import { openStore } from '../storage/store.js';

/** @import { UrlSource } from '../protocol.js' */
/** @import { ModelRecord } from './record.js' */
/** @import { Store } from '../storage/store.js' */

/** Of a stored model one chunk is read ahead; a download's would take memory beside its parts. */
const READ_AHEAD_CHUNKS = 1;
/** A chunk that arrives wrong this often is wrong on the server. */
const MAX_WRONG = 2;
/** These statuses say that a file is gone. */
const GONE_STATUSES = [404, 410];

/** A `ModelFile` reads one model, and downloads what is missing of it. */
export class ModelFile {
  /** Tells whether the whole model was stored when it was opened. */
  from_cache = false;
  #source;
  #folder;
  #part_store;
  #stop = new AbortController();
  #signal = this.#stop.signal;
  /** Counts how often each chunk arrived wrong. @type {Map<number, number>} */
  #wrong_counts = new Map();
  /**
   * Buffers of chunks that the engine has taken are used again: a new one each time would leave as
   * much garbage as the model is large.
   *
   * @type {ArrayBuffer[]}
   */
  #free_buffers = [];
  /** @type {Promise<Uint8Array<ArrayBuffer> | undefined>[]} the chunks that are being read */
  #ahead = [];
  /** @type {Promise<void> | undefined} */
  #fetching;
  /** `#failing` is true from a download's error until the clean-up after it sets `#failure`. */
  #failing = false;
  /** @type {unknown} */
  #failure;

  /**
   * Callers use `ModelFile.open` instead of the constructor.
   *
   * @param {UrlSource} source
   * @param {Store} store
   * @param {string} folder
   * @param {AbortSignal} [signal]
   */
  constructor(source, store, folder, signal) {
    this.#source = source;
    this.#folder = folder;
    this.#part_store = new PartStore(source, store, folder, this.#signal);
    if (signal?.aborted) this.#stop.abort();
    signal?.addEventListener('abort', () => this.#stop.abort(), {
      once: true,
      signal: this.#signal,
    });
  }

  /**
   * @param {UrlSource} source
   * @param {AbortSignal} [signal] ends everything; what has arrived stays
   * @returns {Promise<ModelFile>} to be closed
   * @throws {SiskinError} `storage_failed`
   */
  static async open(source, signal) {
    const store = await openStore(source.storage);
    const open = async (/** @type {string} */ folder) => {
      const file = new ModelFile(source, store, folder, signal);
      try {
        await file.#refresh();
        return file;
      } catch (error) {
        file.close();
        throw error;
      }
    };
    const file = await open(await folderOf(source.key));
    if (file.#part_store.record) return file;
    const other = await folderWith(store, source.sha256);
    if (other === undefined) return file;
    file.close();
    return open(other);
  }

  /** Looks what is in the store, and whether it is still what the server has. */
  async #refresh() {
    const part_store = this.#part_store;
    await part_store.refresh();
    const { record, isComplete } = part_store;
    if (record && isComplete && this.#source.revalidate) {
      if (await isReplaced(this.#source, record, this.#signal)) part_store.stale = record;
      await part_store.refresh();
    }
    this.from_cache = part_store.isComplete;
  }

  close() {
    this.#stop.abort();
    this.#part_store.close();
  }

  get total_bytes() {
    return this.#part_store.total_bytes;
  }

  get arrived_bytes() {
    return this.#part_store.arrived_bytes;
  }

  /** Starts to read or to download, before the first chunk is asked for. */
  start() {
    // A first visit starts no more workers than it needs; later ones read while the wasm compiles.
    if (this.#part_store.isComplete) {
      this.#part_store.startReading();
      this.#readAhead(0);
    } else this.#fetching ??= this.#fetch();
  }

  /** @param {number} chunk from which on chunks are read */
  #readAhead(chunk) {
    while (this.#ahead.length <= (this.from_cache ? READ_AHEAD_CHUNKS : 0)) {
      const reading = this.#chunk(chunk + this.#ahead.length);
      // The error is thrown where the promise is awaited.
      reading.catch(() => {});
      this.#ahead.push(reading);
    }
  }

  /**
   * Removes the model from the store, because its content is wrong.
   *
   * @param {unknown} why the error for readers
   */
  async discard(why) {
    await this.#stopFetching(why);
    await this.#part_store.discard();
  }

  /**
   * Ends the download, whose parts would create the folder again.
   *
   * @param {unknown} why
   */
  async #stopFetching(why) {
    this.#failure ??= why;
    this.#stop.abort();
    await this.#fetching;
  }

  /**
   * Yields the chunks in order, each verified and valid until the next one. The chunks can be read
   * once.
   *
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
   * @throws {SiskinError} `network`, `http_status`, `file_changed`, `integrity`, `manifest`,
   *   `storage_full`, `storage_failed`, `aborted`
   */
  async *chunks() {
    const { url, sha256: pin } = this.#source;
    const part_store = this.#part_store;
    const file_hash =
      pin !== undefined && !isManifest(url) && part_store.record?.sha256 !== pin
        ? new Sha256()
        : undefined;
    for (let chunk = 0; ; chunk++) {
      this.#readAhead(chunk);
      part_store.advance(chunk);
      const bytes = await this.#ahead.shift();
      if (!bytes) break;
      if (file_hash) await hashInPieces(file_hash, bytes);
      part_store.delivered = true;
      // The tab's peak is at the end: what has read the last chunk goes while the engine takes it,
      // and the chunk before the engine makes its cache.
      if (part_store.isPastEnd(chunk + 1)) this.#endReading();
      yield bytes;
      this.#free_buffers.push(bytes.buffer);
    }
    this.#endReading();
    if (file_hash) await this.#checkFileHash(file_hash.hex());
    if (file_hash && part_store.isPersistent) void shareModel(this.#source, part_store);
    if (part_store.record) part_store.record.used_ms = Date.now();
    await part_store.saveRecord();
  }

  /** Gives back the memory of buffers that are not in use, and of the worker that reads. */
  #endReading = () => this.#part_store.endReading(this.#free_buffers.splice(0));

  /**
   * Yields a byte range of the model, each chunk verified.
   *
   * @param {number} first
   * @param {number} end the first byte that is not wanted
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
   * @throws {SiskinError} as `chunks`
   */
  async *bytes(first, end) {
    for (let start = first - (first % CHUNK_BYTES); start < end; start += CHUNK_BYTES) {
      const bytes = await this.#chunk(start / CHUNK_BYTES);
      if (!bytes) return;
      yield bytes.subarray(Math.max(0, first - start), end - start);
    }
  }

  /**
   * Fetches and verifies the first missing chunk, unless another tab or worker is fetching the
   * model.
   *
   * @returns {Promise<boolean>} whether all is there now
   * @throws {SiskinError} as `chunks`
   */
  async fetchChunk() {
    const part_store = this.#part_store;
    await ifUnlocked(this.#folder, async () => {
      const chunk = part_store.firstMissing();
      while (chunk !== undefined) {
        // Memory gets room for it.
        part_store.advance(chunk);
        await this.#download((chunk + 1) * PARTS_PER_CHUNK, this.#signal);
        const { record } = part_store;
        if (!record) break;
        const read = await part_store.readChunk(record, chunk, undefined, true);
        if (read instanceof Uint8Array) break;
        await this.#rejectChunk(record, chunk, read);
      }
    });
    await part_store.saveRecord();
    return part_store.isComplete;
  }

  /**
   * Returns the bytes of a chunk, or undefined after the last one.
   *
   * @param {number} chunk
   */
  async #chunk(chunk) {
    const part_store = this.#part_store;
    for (;;) {
      if (this.#signal.aborted) throw this.#failure ?? abortedError();
      if (part_store.failure) throw part_store.failure;
      const { record } = part_store;
      if (part_store.isPastEnd(chunk)) return undefined;
      if (record && part_store.hasChunk(chunk)) {
        const read = await part_store.readChunk(record, chunk, this.#free_buffers.pop());
        if (read instanceof Uint8Array) return read;
        if (this.#failure) throw this.#failure;
        if (this.#failing) await part_store.nextChange();
        else await this.#rejectChunk(record, chunk, read);
      } else {
        if (this.#failure) throw this.#failure;
        this.#fetching ??= this.#fetch();
        await part_store.nextChange();
      }
    }
  }

  /**
   * Drops a wrong chunk so that it is fetched again, or throws if it was wrong too often.
   *
   * @param {ModelRecord} record
   * @param {number} chunk
   * @param {'absent' | 'wrong'} why
   */
  async #rejectChunk(record, chunk, why) {
    const part_store = this.#part_store;
    if (part_store.partsOf(chunk).every((part) => part_store.fetched.has(part))) {
      const times = (this.#wrong_counts.get(chunk) ?? 0) + 1;
      this.#wrong_counts.set(chunk, times);
      if (times >= MAX_WRONG) throw await this.#giveUp(record, chunk, why);
    }
    await part_store.dropChunk(chunk);
  }

  /**
   * @param {ModelRecord} record
   * @param {number} chunk
   * @param {'absent' | 'wrong'} why
   */
  async #giveUp({ url, size_bytes }, chunk, why) {
    if (why === 'absent')
      return new SiskinError(
        'storage_failed',
        'The browser does not keep what it was given. Reload the page, or load with storage: ' +
          "'memory'.",
      );
    const replaced = await this.#isManifestReplaced();
    const [first, last] = [
      chunk * CHUNK_BYTES,
      Math.min((chunk + 1) * CHUNK_BYTES, size_bytes ?? Infinity) - 1,
    ];
    const wrong = new SiskinError(
      'integrity',
      `Chunk ${chunk} (bytes ${first} to ${last}) of ${url} came wrong ${MAX_WRONG} times. ` +
        'The file is damaged, on the server or on the way: try again, or upload it anew.',
    );
    await this.#stopFetching(replaced ? replacedError(url) : wrong);
    if (replaced) await this.#part_store.reset();
    // Without a manifest, the recorded hash may be wrong instead of the file.
    else if (!isManifest(url)) await this.#part_store.discard();
    // If two chunks fail at once, both throw the error of the first.
    return this.#failure;
  }

  /** Returns whether new shards, with another manifest, may have replaced the old ones. */
  async #isManifestReplaced() {
    const { record } = this.#part_store;
    return (
      record !== undefined &&
      isManifest(record.url) &&
      (await isReplaced(this.#source, record, this.#signal))
    );
  }

  /** @param {string} hash of the whole file */
  async #checkFileHash(hash) {
    const { url, sha256: pin } = this.#source;
    const { record } = this.#part_store;
    if (hash === pin) {
      if (record) record.sha256 = hash;
      return;
    }
    // The stored file may be an older version, so the server is asked again.
    const error = this.from_cache
      ? replacedError(url)
      : new SiskinError(
          'integrity',
          `The file at ${url} is not the one that was asked for: its SHA-256 is ${hash}. ` +
            'Check the address and the hash.',
        );
    await this.discard(error);
    throw error;
  }

  /** Fetches all missing parts, once no other tab is fetching them. */
  async #fetch() {
    try {
      const download = (/** @type {AbortSignal} */ signal) => this.#download(Infinity, signal);
      await (this.#part_store.isPersistent
        ? withLock(this.#folder, this.#signal, download)
        : download(this.#signal));
    } catch (error) {
      this.#failure ??= this.#signal.aborted ? abortedError() : error;
    }
    this.#fetching = undefined;
    this.#part_store.notify();
  }

  /**
   * @param {number} end_part the first part that is not wanted
   * @param {AbortSignal} signal
   */
  async #download(end_part, signal) {
    const part_store = this.#part_store;
    // Another tab may have fetched the model in the meantime.
    if (part_store.isPersistent) await part_store.refresh();
    if (part_store.isComplete) return;
    await part_store.prepare();
    try {
      await new Download(this.#source, part_store, signal).run(end_part);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof HttpError && error.status === 404 && this.#source.hint)
        error.message += ` ${this.#source.hint}`;
      // `#chunk` waits until the clean-up is done: parts that are removed here must not be fetched
      // again, and the load must not fail, and its worker end, before they are removed.
      this.#failing = true;
      const replaced =
        error instanceof HttpError &&
        GONE_STATUSES.includes(error.status) &&
        (await this.#isManifestReplaced());
      if (replaced || (error instanceof SiskinError && error.code === 'file_changed'))
        await part_store.reset();
      // The incomplete model is removed, because the site could store nothing else beside it.
      else if (part_store.isFull) await part_store.discard();
      throw replaced ? replacedError(this.#source.url) : error;
    }
  }
}
