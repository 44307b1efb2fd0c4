/** A model at an address: its verified bytes in file order, from the store as far as they are there, else from the network. */
import { Download } from './download.js';
import { SiskinError, abortedError, throwIfAborted } from './errors.js';
import { ifFree, whenFree } from './lock.js';
import { isManifest } from './manifest.js';
import { CHUNK_BYTES, PARTS, folderOf, isComplete, partBytes, partCount, partsIn, readRecord, storedBytes, writeRecord } from './record.js';
import { fullError, isFull, makeRoom, missing } from './room.js';
import { Sha256, sha256 } from './sha256.js';
import { openStore } from './storage.js';

/** @import { UrlSource } from './protocol.js' */
/** @import { ModelRecord } from './record.js' */
/** @import { Store } from './storage.js' */
/** @import { Target } from './download.js' */

/** Chunks that are read and hashed while the engine takes the one before. */
const READ_AHEAD = 2;
/** A chunk that comes wrong so often is wrong on the server. */
const MOST_WRONG = 2;

/** @implements {Target} */
export class ModelFile {
  /** @type {ModelRecord | undefined} */
  record;
  /** In the store. @type {Set<number>} */
  parts = new Set();
  /** Whether all of it was there from the beginning. */
  from_cache = false;
  #source;
  #store;
  #folder;
  #stop = new AbortController();
  #signal = this.#stop.signal;
  /** Tells other tabs what has come. @type {BroadcastChannel | undefined} */
  #channel;
  /** What lies in the folder is of no use. */
  #stale = false;
  /** Arrived and not yet stored. */
  #flying_bytes = 0;
  /** What the server says of a file whose length is not certain. @type {number | null} */
  #expected_bytes = null;
  /** The chunk that is wanted next. */
  #cursor = 0;
  /** Whether bytes have left for the engine. */
  #given = false;
  /** Parts that this download stored. @type {Set<number>} */
  #fetched = new Set();
  /** How often each chunk came wrong. @type {Map<number, number>} */
  #wrong = new Map();
  /** @type {Promise<void> | undefined} */
  #supply;
  /** @type {unknown} */
  #failure;
  #saving = Promise.resolve();
  /** @type {(() => void)[]} */
  #waiting = [];

  /**
   * Use `ModelFile.open`.
   *
   * @param {UrlSource} source
   * @param {Store} store
   * @param {string} folder
   * @param {AbortSignal} [signal]
   */
  constructor(source, store, folder, signal) {
    this.#source = source;
    this.#store = store;
    this.#folder = folder;
    this.#signal.addEventListener('abort', () => this.#changed());
    if (signal?.aborted) this.#stop.abort();
    signal?.addEventListener('abort', () => this.#stop.abort(), { once: true, signal: this.#signal });
    if (this.#lasts) {
      this.#channel = new BroadcastChannel('siskin');
      this.#channel.onmessage = ({ data }) => data.folder === folder && void this.#hear(data);
    }
  }

  /**
   * @param {UrlSource} source
   * @param {AbortSignal} [signal] ends everything; what has arrived stays
   * @returns {Promise<ModelFile>} to be closed
   */
  static async open(source, signal) {
    const store = await openStore(source.storage);
    const file = new ModelFile(source, store, await folderOf(source.url), signal);
    await file.#look();
    file.from_cache = file.isComplete;
    return file;
  }

  close() {
    this.#stop.abort();
    this.#channel?.close();
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

  /** Begins to fetch, before anybody asks for a chunk. */
  start() {
    if (!this.isComplete) this.#supply ??= this.#fetch(Infinity);
  }

  /**
   * The chunks in order, each verified. To be read once.
   *
   * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
   * @throws {SiskinError} `network`, `http_status`, `file_changed`, `integrity`, `manifest`, `storage_full`, `aborted`
   */
  async *chunks() {
    const { url, sha256: pin } = this.#source;
    const whole = pin !== undefined && !isManifest(url) && this.record?.sha256 !== pin ? new Sha256() : undefined;
    /** @type {Promise<Uint8Array<ArrayBuffer> | undefined>[]} */
    const ahead = [];
    for (let chunk = 0; ; chunk++) {
      while (ahead.length <= READ_AHEAD) {
        const reading = this.#chunk(chunk + ahead.length);
        // Its failure is that of the one before, or comes up when it is taken.
        reading.catch(() => {});
        ahead.push(reading);
      }
      this.#cursor = chunk;
      this.#changed();
      const bytes = await ahead.shift();
      if (!bytes) break;
      whole?.update(bytes);
      this.#given = true;
      yield bytes;
    }
    if (whole) await this.#compare(whole.hex());
    if (this.record) this.record.used_ms = Date.now();
    this.#save();
    await this.#saving;
  }

  /**
   * Fetches and verifies the first chunk that is missing, if nobody else is fetching.
   *
   * @returns {Promise<boolean>} whether all is there now
   */
  async fetchChunk() {
    await ifFree(this.#folder, async () => {
      if (!this.record) await this.#download(PARTS);
      const chunk = this.#firstMissing();
      if (chunk !== undefined) await this.#download((chunk + 1) * PARTS);
    });
    const { record } = this;
    for (let chunk = 0; record && chunk < record.chunks.length; chunk++) {
      if (record.chunks[chunk] === null && this.#holds(chunk)) await this.#chunk(chunk);
    }
    await this.#saving;
    return this.isComplete;
  }

  /** Takes the model from the store: it is not what it should be. */
  async discard() {
    await this.#store.remove(this.#folder);
  }

  get #lasts() {
    return this.#store.kind !== 'memory';
  }

  /** Sees what lies in the store. */
  async #look() {
    const { url, sha256: pin } = this.#source;
    const [record, parts] = await Promise.all([readRecord(this.#store, this.#folder), partsIn(this.#store, this.#folder)]);
    const known = this.record;
    const usable = record && record.size_bytes !== null && (pin === undefined || record.sha256 === pin || (record.sha256 === null && !isManifest(url)));
    this.#stale = !usable && (record !== undefined || parts.size > 0);
    if (!usable) return;
    const same = !known || known.size_bytes === null || (known.size_bytes === record.size_bytes && known.validator === record.validator);
    if (this.#given && !same) throw changedError(url);
    record.chunks = record.chunks.map((hash, chunk) => hash ?? (same ? (known?.chunks[chunk] ?? null) : null));
    this.record = record;
    this.parts = parts;
    this.#changed();
  }

  /**
   * A chunk's bytes; undefined after the last.
   *
   * @param {number} chunk
   */
  async #chunk(chunk) {
    for (;;) {
      throwIfAborted(this.#signal);
      const { record } = this;
      if (record && chunk * PARTS >= partCount(record)) return undefined;
      if (record && this.#holds(chunk)) {
        const bytes = await this.#read(record, chunk);
        if (bytes) return bytes;
        await this.#refuse(record, chunk);
      } else {
        if (this.#failure) throw this.#failure;
        this.#supply ??= this.#fetch(Infinity);
        await this.#change();
      }
    }
  }

  /** @param {number} chunk */
  #partsOf(chunk) {
    const end = Math.min((chunk + 1) * PARTS, this.record ? partCount(this.record) : Infinity);
    return Array.from({ length: end - chunk * PARTS }, (_, i) => chunk * PARTS + i);
  }

  /** @param {number} chunk */
  #holds(chunk) {
    return this.#partsOf(chunk).every((part) => this.parts.has(part));
  }

  #firstMissing() {
    const count = this.record ? partCount(this.record) : 0;
    for (let part = 0; part < count; part++) if (!this.parts.has(part)) return Math.floor(part / PARTS);
    return undefined;
  }

  /**
   * @param {ModelRecord} record
   * @param {number} chunk
   * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>} undefined where it is not what it should be
   */
  async #read(record, chunk) {
    const numbers = this.#partsOf(chunk);
    const blobs = await Promise.all(numbers.map((part) => this.#store.read(this.#folder, String(part))));
    const found = blobs.filter((blob) => blob !== undefined);
    let bytes;
    try {
      bytes = new Uint8Array(await new Blob(found).arrayBuffer());
    } catch {
      // Taken away meanwhile, by another tab or by the browser.
      return undefined;
    }
    if (bytes.length !== numbers.reduce((sum, part) => sum + partBytes(record, part), 0)) return undefined;
    const hash = await sha256(bytes);
    const expected = record.chunks[chunk] ?? null;
    if (expected !== null && hash !== expected) return undefined;
    // Memory keeps nothing that the engine has.
    if (!this.#lasts) await Promise.all(numbers.map((part) => this.#store.remove(this.#folder, String(part))));
    if (expected === null) {
      record.chunks[chunk] = hash;
      this.#save();
    }
    return bytes;
  }

  /**
   * @param {ModelRecord} record
   * @param {number} chunk that is wrong: it is fetched again, unless that was tried
   */
  async #refuse(record, chunk) {
    const numbers = this.#partsOf(chunk);
    if (numbers.some((part) => this.#fetched.has(part))) {
      const times = (this.#wrong.get(chunk) ?? 0) + 1;
      this.#wrong.set(chunk, times);
      if (times >= MOST_WRONG) {
        // Without a manifest it may be the record that is wrong.
        if (!isManifest(record.url)) await this.discard();
        const [first, last] = [chunk * CHUNK_BYTES, Math.min((chunk + 1) * CHUNK_BYTES, record.size_bytes ?? Infinity) - 1];
        throw new SiskinError('integrity', `Chunk ${chunk} (bytes ${first} to ${last}) of ${record.url} came wrong ${times} times. The file on the server is damaged, or something changes it on the way: try again, or upload it anew.`);
      }
    }
    for (const part of numbers) {
      this.#fetched.delete(part);
      this.parts.delete(part);
      await this.#store.remove(this.#folder, String(part));
    }
  }

  /** @param {string} hash of the whole file */
  async #compare(hash) {
    const { url, sha256: pin } = this.#source;
    if (hash === pin) {
      if (this.record) this.record.sha256 = hash;
      return;
    }
    await this.discard();
    if (this.from_cache) throw changedError(url);
    throw new SiskinError('integrity', `The file at ${url} is not the one that was asked for: its SHA-256 is ${hash}. Check the address and the hash.`);
  }

  /** @param {number} end_part */
  async #fetch(end_part) {
    try {
      if (this.#lasts) await whenFree(this.#folder, this.#signal, () => this.#download(end_part));
      else await this.#download(end_part);
    } catch (error) {
      this.#failure = this.#signal.aborted ? abortedError() : error;
    }
    this.#supply = undefined;
    this.#changed();
  }

  /** @param {number} end_part */
  async #download(end_part) {
    // Another tab may have brought it meanwhile.
    if (this.#lasts) await this.#look();
    if (this.isComplete) return;
    if (this.#stale) await this.discard();
    this.#stale = false;
    try {
      if (this.record) await this.#reserve();
      await new Download(this.#source, this, this.#signal).run(end_part);
    } catch (error) {
      if (!(error instanceof SiskinError) || error.code !== 'file_changed') throw error;
      await this.discard();
      this.#tell({ reset: true });
      throw error;
    }
  }

  async #reserve() {
    const wanted_bytes = (this.total_bytes ?? 0) - this.arrived_bytes;
    if (this.#lasts && wanted_bytes > 0) await makeRoom(this.#store, wanted_bytes, this.#source.evict);
  }

  /**
   * @param {ModelRecord} record
   * @param {number | null} expected_bytes
   */
  async begin(record, expected_bytes) {
    this.record = record;
    this.#expected_bytes = expected_bytes;
    await this.#reserve();
    await this.#write(() => writeRecord(this.#store, this.#folder, record));
    this.#tell({});
    this.#changed();
  }

  /**
   * @param {number} part
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async save(part, bytes) {
    await this.#write(() => this.#store.write(this.#folder, String(part), bytes));
    this.#fetched.add(part);
    this.parts.add(part);
    this.#tell({ part });
    this.#changed();
  }

  /** @param {number} size_bytes */
  async end(size_bytes) {
    if (!this.record) return;
    this.record.size_bytes = size_bytes;
    this.record.files[0].size_bytes = size_bytes;
    await this.#write(() => this.#keepRecord());
    this.#tell({});
    this.#changed();
  }

  /** @param {number} part */
  async room(part) {
    // A disk has room for all; memory for what the engine will take next.
    while (!this.#lasts && part >= (this.#cursor + READ_AHEAD) * PARTS) {
      throwIfAborted(this.#signal);
      await this.#change();
    }
  }

  /** @param {number} bytes */
  arrived(bytes) {
    this.#flying_bytes += bytes;
  }

  async #keepRecord() {
    if (this.record) await writeRecord(this.#store, this.#folder, this.record);
  }

  /** Keeps the record as it is now. Only for whoever fetched, or where all is there: others would overwrite what is newer. */
  #save() {
    if (!this.#lasts || !(this.isComplete || this.#fetched.size > 0)) return;
    // A record that cannot be kept costs a hash, not the model.
    this.#saving = this.#saving.then(() => this.#keepRecord()).catch(() => {});
  }

  /** @param {() => Promise<void>} write */
  async #write(write) {
    try {
      await write();
    } catch (error) {
      if (!isFull(error)) throw error;
      const wanted_bytes = (this.total_bytes ?? 0) - this.arrived_bytes;
      throw fullError(wanted_bytes, Math.max(1, await missing(wanted_bytes)));
    }
  }

  /** @param {{part?: number, reset?: true}} news */
  #tell(news) {
    this.#channel?.postMessage({ folder: this.#folder, ...news });
  }

  /** What another tab tells. @param {{part?: number, reset?: true}} news */
  async #hear({ part, reset }) {
    if (reset) {
      if (this.#given) this.#failure = changedError(this.#source.url);
      this.record = undefined;
      this.parts = new Set();
    } else if (part === undefined || !this.record) {
      await this.#look().catch((error) => (this.#failure = error));
    } else {
      this.parts.add(part);
    }
    this.#changed();
  }

  #changed() {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** @returns {Promise<void>} until anything has changed */
  #change() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** @param {string} url */
function changedError(url) {
  return new SiskinError('file_changed', `The file at ${url} was replaced while it was being loaded. Try again.`);
}
