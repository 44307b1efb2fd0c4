/**
 * This module tracks which parts of a model are in the store: its record and its parts, as they
 * arrive from a download or from another tab.
 */
import { throwIfAborted } from '../errors.js';
import { ChunkReader } from './chunk_reader.js';
import { replacedError } from './file_version.js';
import { isManifest } from './manifest.js';
import {
  PARTS_PER_CHUNK,
  addHashes,
  isComplete,
  isSameVersion,
  partCount,
  partsIn,
  partsOfChunk,
  readRecord,
  storedBytes,
  writeRecord,
} from './record.js';
import { StoreWriter } from './store_writer.js';

/** @import { DownloadTarget } from './download_target.js' */
/** @import { SiskinError } from '../errors.js' */
/** @import { UrlSource } from '../protocol.js' */
/** @import { ModelRecord } from './record.js' */
/** @import { Store } from '../storage/store.js' */

/** A memory store holds at most this many chunks that wait for the engine. */
const MAX_WAITING_CHUNKS = 2;

/**
 * A `StoreMessage` tells other tabs of a change in the store.
 *
 * @typedef {{part?: number, reset?: true}} StoreMessage
 */

/**
 * A `PartStore` is a model in the store, with the state of its download.
 *
 * @implements {DownloadTarget}
 */
export class PartStore {
  /** @type {ModelRecord | undefined} */
  record;
  /**
   * Holds the parts that are in the store or were already given to the engine.
   *
   * @type {Set<number>}
   */
  parts = new Set();
  /** Holds the parts that this tab fetched. @type {Set<number>} */
  fetched = new Set();
  /** The server has another version than this one. @type {ModelRecord | undefined} */
  stale;
  /** The engine waits for this chunk. */
  cursor = 0;
  /** Tells whether the engine has received bytes. */
  delivered = false;
  /**
   * `failure` is set when the bytes that the engine received are of no use.
   *
   * @type {SiskinError | undefined}
   */
  failure;
  #source;
  #store;
  #writer;
  #reader;
  #folder;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** Tells whether the store has a record that can be used. */
  #record_usable = false;
  /** Lists files of the folder that are neither the record nor a whole part. @type {string[]} */
  #stray_files = [];
  /** Holds the parts that were wrong, until they are fetched again. @type {Set<number>} */
  #dropped = new Set();
  /** Tells whether the record was removed and must not be written again. */
  #discarded = false;
  /** Counts the bytes that have arrived and are not stored yet. */
  #in_flight_bytes = 0;
  /** Holds the Content-Length of a file whose length is not certain. @type {number | null} */
  #expected_bytes = null;
  /** @type {Promise<unknown>} */
  #dropping = Promise.resolve();
  #saving_record = Promise.resolve();
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * @param {UrlSource} source
   * @param {Store} store
   * @param {string} folder
   * @param {AbortSignal} signal
   */
  constructor(source, store, folder, signal) {
    this.#source = source;
    this.#store = store;
    this.#writer = new StoreWriter(store, source.evict);
    this.#reader = new ChunkReader(store);
    this.#folder = folder;
    signal.addEventListener('abort', () => this.notify());
    if (this.isPersistent) {
      this.#channel = new BroadcastChannel('siskin');
      this.#channel.onmessage = ({ data }) => data.folder === folder && void this.#receive(data);
    }
  }

  close() {
    this.#channel?.close();
    this.#reader.close();
  }

  /** Starts to read for an engine, which takes all chunks. */
  startReading = () => this.#reader.start();

  /** @param {ArrayBuffer[]} buffers that nobody uses any more */
  endReading(buffers) {
    this.#reader.close(buffers);
    this.#store.trim?.();
  }

  /** Tells whether the parts are still there at the next visit. */
  get isPersistent() {
    return this.#store.kind !== 'memory';
  }

  /** Tells whether the browser has refused to store more. */
  get isFull() {
    return this.#writer.is_full;
  }

  get isComplete() {
    return this.record !== undefined && isComplete(this.record, this.parts);
  }

  get total_bytes() {
    return this.record?.size_bytes ?? this.#expected_bytes;
  }

  get arrived_bytes() {
    return (this.record ? storedBytes(this.record, this.parts) : 0) + this.#in_flight_bytes;
  }

  /** Reads the record and the list of parts from the store. */
  async refresh() {
    const { url, sha256: pin } = this.#source;
    const record = await readRecord(this.#store, this.#folder);
    const known = this.record;
    this.#record_usable =
      record !== undefined &&
      record.size_bytes !== null &&
      !(this.stale && isSameVersion(record, this.stale)) &&
      (pin === undefined || record.sha256 === pin || (record.sha256 === null && !isManifest(url)));
    if (!record || !this.#record_usable) {
      // The model was removed. An engine that has received bytes may still finish with them.
      if (!this.delivered) {
        this.record = undefined;
        this.parts = new Set();
      }
      return;
    }
    const { parts, stray_files } = await partsIn(this.#store, this.#folder, record);
    const same = !known || known.size_bytes === null || isSameVersion(known, record);
    if (this.delivered && !same) throw replacedError(url);
    if (known && same) addHashes(record, known);
    this.record = record;
    this.parts = parts;
    for (const part of this.#dropped) this.parts.delete(part);
    this.#stray_files = stray_files;
    this.notify();
  }

  /** Prepares the store for a download to continue. */
  async prepare() {
    // A browser that was killed left these files. Their removal may fail.
    await Promise.all(
      this.#stray_files.map((name) => this.#store.remove(this.#folder, name).catch(() => {})),
    );
    if (this.record) await this.#reserve();
  }

  /** Removes the model from the store, because its content is wrong. */
  async discard() {
    this.#discarded = true;
    await this.#saving_record;
    await this.#write(() => this.#store.remove(this.#folder));
  }

  /** Removes the model because the server has another file, and tells the tabs that read it. */
  async reset() {
    await this.discard();
    this.#broadcast({ reset: true });
  }

  partsOf = (/** @type {number} */ chunk) => partsOfChunk(this.record, chunk);

  /** @param {number} chunk */
  hasChunk(chunk) {
    return this.partsOf(chunk).every((part) => this.parts.has(part));
  }

  /** @param {number} chunk */
  isPastEnd(chunk) {
    return this.record !== undefined && chunk * PARTS_PER_CHUNK >= partCount(this.record);
  }

  /** Returns the first chunk that is not complete. */
  firstMissing() {
    const count = this.record ? partCount(this.record) : Infinity;
    for (let part = 0; part < count; part++)
      if (!this.parts.has(part)) return Math.floor(part / PARTS_PER_CHUNK);
    return undefined;
  }

  /**
   * @param {ModelRecord} record
   * @param {number} chunk
   * @param {ArrayBuffer} [buffer] that may be used
   * @param {boolean} [keep] what is read; memory does not
   * @returns {Promise<Uint8Array<ArrayBuffer> | 'absent' | 'wrong'>}
   */
  async readChunk(record, chunk, buffer, keep = this.isPersistent) {
    const numbers = this.partsOf(chunk);
    // Files that were removed, by another tab or by the browser, may also be unreadable.
    const files = { folder: this.#folder, names: numbers.map(String), buffer };
    const reading = this.#reader.read({ ...files, checksum: record.checksums?.[chunk] });
    const read = await reading.catch(() => undefined);
    if (read?.bytes.length !== storedBytes(record, numbers)) return 'absent';
    const { bytes, hash, checksum } = read;
    if (hash !== undefined) {
      const expected = record.chunks[chunk] ?? null;
      if (expected !== null && hash !== expected) return 'wrong';
      record.chunks[chunk] = hash;
      (record.checksums ??= [])[chunk] = checksum;
      if (expected === null) this.saveRecord();
    }
    // A memory store holds nothing that the engine has.
    if (!keep) await Promise.all(files.names.map((part) => this.#store.remove(this.#folder, part)));
    return bytes;
  }

  /** @param {number} chunk that is wrong, or not there */
  async dropChunk(chunk) {
    const numbers = this.partsOf(chunk);
    for (const part of numbers) {
      this.#dropped.add(part);
      this.parts.delete(part);
      this.fetched.delete(part);
    }
    this.notify();
    // The files are removed before they are stored again. A file that cannot be removed can still
    // be overwritten.
    await (this.#dropping = Promise.all([
      this.#dropping,
      ...numbers.map((part) => this.#store.remove(this.#folder, String(part)).catch(() => {})),
    ]));
  }

  /**
   * @param {ModelRecord} record
   * @param {number | null} expected_bytes
   */
  async begin(record, expected_bytes) {
    // The old model is removed only now that the server has delivered another one.
    if (!this.#record_usable) await this.discard();
    this.#discarded = false;
    this.#record_usable = true;
    const { key, sha256: expected_sha256 } = this.#source;
    this.record = Object.assign(record, { key, expected_sha256 });
    this.#expected_bytes = expected_bytes;
    await this.#reserve();
    await this.#write(() => writeRecord(this.#store, this.#folder, record));
    this.#broadcast({});
    this.notify();
  }

  /**
   * @param {number} part
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async save(part, bytes) {
    await this.#dropping;
    if (this.#discarded) return;
    await this.#write(() => this.#store.write(this.#folder, String(part), bytes));
    this.#dropped.delete(part);
    this.fetched.add(part);
    this.parts.add(part);
    this.#broadcast({ part });
    this.notify();
  }

  /** @param {number} size_bytes */
  async end(size_bytes) {
    const { record } = this;
    if (!record) return;
    record.size_bytes = size_bytes;
    record.files[0].size_bytes = size_bytes;
    await this.#write(() => writeRecord(this.#store, this.#folder, record));
    this.#broadcast({});
    this.notify();
  }

  /**
   * @param {number} part
   * @param {AbortSignal} signal ends the waiting
   */
  async waitForSpace(part, signal) {
    // A disk holds all parts; memory holds those that the engine takes next.
    if (this.isPersistent) return;
    const wake = () => this.notify();
    signal.addEventListener('abort', wake, { once: true });
    // Dropped parts are fetched again by a connection that does not wait.
    while (
      part >= (this.cursor + MAX_WAITING_CHUNKS) * PARTS_PER_CHUNK &&
      this.#dropped.size === 0
    ) {
      throwIfAborted(signal);
      await this.nextChange();
    }
    signal.removeEventListener('abort', wake);
  }

  /** @param {number} bytes */
  arrived(bytes) {
    this.#in_flight_bytes += bytes;
  }

  /**
   * Writes the record in its present state. Only a tab that fetched parts or has them all writes
   * it, because others would overwrite a newer record.
   *
   * @returns {Promise<void>} when it is kept
   */
  saveRecord() {
    const { record } = this;
    if (
      record &&
      this.isPersistent &&
      !this.#discarded &&
      (this.isComplete || this.fetched.size > 0)
    ) {
      // Without its record a chunk is hashed again, and the model still loads.
      this.#saving_record = this.#saving_record
        .then(() => writeRecord(this.#store, this.#folder, record))
        .catch(() => {});
    }
    return this.#saving_record;
  }

  /** @param {number} chunk that the engine waits for */
  advance(chunk) {
    this.cursor = chunk;
    this.notify();
  }

  /** @returns {Promise<void>} until anything has changed */
  nextChange() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves all promises that `nextChange` returned. */
  notify() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #reserve() {
    const wanted_bytes = this.#missing_bytes;
    if (this.isPersistent && wanted_bytes > 0) await this.#writer.reserve(wanted_bytes);
  }

  get #missing_bytes() {
    return (this.total_bytes ?? 0) - this.arrived_bytes;
  }

  /** @param {() => Promise<void>} write */
  #write(write) {
    return this.#writer.write(write, () => this.#missing_bytes);
  }

  /** @param {StoreMessage} message */
  #broadcast(message) {
    this.#channel?.postMessage({ folder: this.#folder, ...message });
  }

  /** @param {StoreMessage} message of another tab */
  async #receive({ part, reset }) {
    if (reset) {
      if (this.delivered) this.failure = replacedError(this.#source.url);
      this.record = undefined;
      this.parts = new Set();
    } else if (part === undefined || !this.record) {
      await this.refresh().catch((error) => (this.failure = error));
    } else {
      this.parts.add(part);
    }
    this.notify();
  }
}
