/**
 * What of a model is in the store: its record and its parts, as they come from a download or from
 * another tab.
 */
import { SiskinError, messageOf, throwIfAborted } from '../errors.js';
import { isManifest } from './manifest.js';
import {
  PARTS,
  isComplete,
  partBytes,
  partCount,
  partsIn,
  readRecord,
  storedBytes,
  writeRecord,
} from './record.js';
import { evictOldest, fullError, isFull, makeRoom } from '../storage/quota.js';
import { sha256 } from './sha256.js';

/** @import { DownloadTarget } from './download_target.js' */
/** @import { UrlSource } from '../protocol.js' */
/** @import { ModelRecord } from './record.js' */
/** @import { Store } from '../storage/store.js' */

/** Of a store that keeps nothing: chunks that may wait for the engine. */
const WAITING_CHUNKS = 2;

/** What one tab tells the others. @typedef {{part?: number, reset?: true}} News */

/** @implements {DownloadTarget} */
export class PartStore {
  /** @type {ModelRecord | undefined} */
  record;
  /** In the store, or already given to the engine. @type {Set<number>} */
  parts = new Set();
  /** Parts that this tab fetched. @type {Set<number>} */
  fetched = new Set();
  /** The chunk that the engine waits for. */
  cursor = 0;
  /** Whether bytes have left for the engine. */
  given = false;
  /** Whether the browser has refused to keep more. */
  isFull = false;
  /** Why what was given is of no use. @type {SiskinError | undefined} */
  failure;
  #source;
  #store;
  #folder;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** Whether there is a record that serves. */
  #usable = false;
  /** Names of what is in the folder besides. @type {string[]} */
  #useless = [];
  /** Parts that were wrong, until they are fetched again. @type {Set<number>} */
  #dropped = new Set();
  /** Whether the record must not come back. */
  #discarded = false;
  /** Arrived and not yet stored. */
  #flying_bytes = 0;
  /** What the server says of a file whose length is not certain. @type {number | null} */
  #expected_bytes = null;
  /** @type {Promise<unknown>} */
  #dropping = Promise.resolve();
  /** @type {Promise<boolean> | undefined} */
  #evicting;
  #keeping = Promise.resolve();
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
    this.#folder = folder;
    signal.addEventListener('abort', () => this.changed());
    if (this.isPersistent) {
      this.#channel = new BroadcastChannel('siskin');
      this.#channel.onmessage = ({ data }) => data.folder === folder && void this.#hear(data);
    }
  }

  close() {
    this.#channel?.close();
  }

  /** Whether it is there at the next visit. */
  get isPersistent() {
    return this.#store.kind !== 'memory';
  }

  get isComplete() {
    return this.record !== undefined && isComplete(this.record, this.parts);
  }

  get total_bytes() {
    return this.record?.size_bytes ?? this.#expected_bytes;
  }

  get arrived_bytes() {
    return (this.record ? storedBytes(this.record, this.parts) : 0) + this.#flying_bytes;
  }

  /** Sees what lies in the store. */
  async refresh() {
    const { url, sha256: pin } = this.#source;
    const record = await readRecord(this.#store, this.#folder);
    const known = this.record;
    this.#usable =
      record !== undefined &&
      record.size_bytes !== null &&
      (pin === undefined || record.sha256 === pin || (record.sha256 === null && !isManifest(url)));
    if (!record || !this.#usable) {
      // Removed meanwhile. What the engine has begun with it may still end with.
      if (!this.given) {
        this.record = undefined;
        this.parts = new Set();
      }
      return;
    }
    const { parts, useless } = await partsIn(this.#store, this.#folder, record);
    const same =
      !known ||
      known.size_bytes === null ||
      (known.size_bytes === record.size_bytes && known.validator === record.validator);
    if (this.given && !same) throw replacedError(url);
    record.chunks = record.chunks.map(
      (hash, chunk) => hash ?? (same ? (known?.chunks[chunk] ?? null) : null),
    );
    this.record = record;
    this.parts = parts;
    for (const part of this.#dropped) this.parts.delete(part);
    this.#useless = useless;
    this.changed();
  }

  /** Makes ready to go on with a download. */
  async prepare() {
    // What a browser left that was killed. It goes if it can.
    await Promise.all(
      this.#useless.map((name) => this.#store.remove(this.#folder, name).catch(() => {})),
    );
    if (this.record) await this.#reserve();
  }

  /** Takes the model from the store: it is not what it should be. */
  async discard() {
    this.#discarded = true;
    await this.#keeping;
    await this.#write(() => this.#store.remove(this.#folder));
  }

  /** The server has another file now. Whoever else reads this one must know. */
  async reset() {
    await this.discard();
    this.#tell({ reset: true });
  }

  /** @param {number} chunk */
  partsOf(chunk) {
    const end = Math.min((chunk + 1) * PARTS, this.record ? partCount(this.record) : Infinity);
    return Array.from({ length: end - chunk * PARTS }, (_, i) => chunk * PARTS + i);
  }

  /** @param {number} chunk */
  holds(chunk) {
    return this.partsOf(chunk).every((part) => this.parts.has(part));
  }

  /** The first chunk that is not whole. */
  firstMissing() {
    const count = this.record ? partCount(this.record) : Infinity;
    for (let part = 0; part < count; part++)
      if (!this.parts.has(part)) return Math.floor(part / PARTS);
    return undefined;
  }

  /**
   * @param {ModelRecord} record
   * @param {number} chunk
   * @param {ArrayBuffer} [buffer] that may be used
   * @returns {Promise<Uint8Array<ArrayBuffer> | 'absent' | 'wrong'>}
   */
  async read(record, chunk, buffer) {
    const numbers = this.partsOf(chunk);
    /** @type {Uint8Array<ArrayBuffer> | undefined} */
    let bytes;
    try {
      bytes = await this.#store.read(this.#folder, numbers.map(String), buffer);
    } catch {
      // Taken away meanwhile, by another tab or by the browser, or unreadable.
      return 'absent';
    }
    if (!bytes || bytes.length !== numbers.reduce((sum, part) => sum + partBytes(record, part), 0))
      return 'absent';
    const hash = await sha256(bytes);
    const expected = record.chunks[chunk] ?? null;
    if (expected !== null && hash !== expected) return 'wrong';
    // Memory keeps nothing that the engine has.
    if (!this.isPersistent)
      await Promise.all(numbers.map((part) => this.#store.remove(this.#folder, String(part))));
    if (expected === null) {
      record.chunks[chunk] = hash;
      this.keepRecord();
    }
    return bytes;
  }

  /** @param {number} chunk that is wrong, or not there */
  async drop(chunk) {
    const numbers = this.partsOf(chunk);
    for (const part of numbers) {
      this.#dropped.add(part);
      this.parts.delete(part);
      this.fetched.delete(part);
    }
    this.changed();
    // Before anybody stores them again, which a file that cannot be removed does not hinder.
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
    // Only now that the server has something else to give.
    if (!this.#usable) await this.discard();
    this.#discarded = false;
    this.#usable = true;
    this.record = record;
    this.#expected_bytes = expected_bytes;
    await this.#reserve();
    await this.#write(() => writeRecord(this.#store, this.#folder, record));
    this.#tell({});
    this.changed();
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
    this.#tell({ part });
    this.changed();
  }

  /** @param {number} size_bytes */
  async end(size_bytes) {
    const { record } = this;
    if (!record) return;
    record.size_bytes = size_bytes;
    record.files[0].size_bytes = size_bytes;
    await this.#write(() => writeRecord(this.#store, this.#folder, record));
    this.#tell({});
    this.changed();
  }

  /**
   * @param {number} part
   * @param {AbortSignal} signal ends the waiting
   */
  async waitForSpace(part, signal) {
    // A disk has room for all; memory for what the engine will take next.
    if (this.isPersistent) return;
    const wake = () => this.changed();
    signal.addEventListener('abort', wake, { once: true });
    // What was wrong is fetched again by whoever gets on.
    while (part >= (this.cursor + WAITING_CHUNKS) * PARTS && this.#dropped.size === 0) {
      throwIfAborted(signal);
      await this.change();
    }
    signal.removeEventListener('abort', wake);
  }

  /** @param {number} bytes */
  arrived(bytes) {
    this.#flying_bytes += bytes;
  }

  /**
   * Keeps the record as it is now. Only for whoever fetched, or where all is there: others would
   * overwrite what is newer.
   *
   * @returns {Promise<void>} when it is kept
   */
  keepRecord() {
    const { record } = this;
    if (
      record &&
      this.isPersistent &&
      !this.#discarded &&
      (this.isComplete || this.fetched.size > 0)
    ) {
      // A record that cannot be kept costs a hash, not the model.
      this.#keeping = this.#keeping
        .then(() => writeRecord(this.#store, this.#folder, record))
        .catch(() => {});
    }
    return this.#keeping;
  }

  /** @param {number} chunk that the engine waits for */
  advance(chunk) {
    this.cursor = chunk;
    this.changed();
  }

  /** @returns {Promise<void>} until anything has changed */
  change() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Wakes whoever waits for a change. */
  changed() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #reserve() {
    const wanted_bytes = (this.total_bytes ?? 0) - this.arrived_bytes;
    if (this.isPersistent && wanted_bytes > 0)
      await makeRoom(this.#store, wanted_bytes, this.#source.evict ? this.#lastUse : undefined);
  }

  /** Tells when a model was last used. @type {import('../storage/quota.js').LastUse} */
  #lastUse = async (folder) => (await readRecord(this.#store, folder))?.used_ms ?? 0;

  /** @param {() => Promise<void>} write */
  async #write(write) {
    for (;;) {
      try {
        return await write();
      } catch (cause) {
        if (!isFull(cause))
          throw new SiskinError(
            'storage_failed',
            `The browser's storage failed (${messageOf(cause)}). Try again, or load with storage: 'memory'.`,
            { cause },
          );
        if (this.#source.evict && (await this.#evict())) continue;
        this.isFull = true;
        throw fullError((this.total_bytes ?? 0) - this.arrived_bytes);
      }
    }
  }

  /** One at a time, though several writes fail at once. */
  #evict() {
    return (this.#evicting ??= evictOldest(this.#store, this.#lastUse).finally(
      () => (this.#evicting = undefined),
    ));
  }

  /** @param {News} news */
  #tell(news) {
    this.#channel?.postMessage({ folder: this.#folder, ...news });
  }

  /** @param {News} news of another tab */
  async #hear({ part, reset }) {
    if (reset) {
      if (this.given) this.failure = replacedError(this.#source.url);
      this.record = undefined;
      this.parts = new Set();
    } else if (part === undefined || !this.record) {
      await this.refresh().catch((error) => (this.failure = error));
    } else {
      this.parts.add(part);
    }
    this.changed();
  }
}

/** @param {string} url */
export function replacedError(url) {
  return new SiskinError(
    'file_changed',
    `The file at ${url} was replaced while it was being loaded. Try again.`,
  );
}
