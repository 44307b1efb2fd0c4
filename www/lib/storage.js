/**
 * Where parts of models stay: small files in folders, behind five methods, the same for pages, workers and service workers. A file
 * gets its bytes all at once: a browser killed in the middle leaves it empty at worst, and files beside it that nobody will use.
 */
import { messageOf } from './errors.js';

/**
 * @typedef {object} Store
 * @property {'opfs' | 'cache' | 'memory'} kind
 * @property {() => Promise<string[]>} folders
 * @property {(folder: string) => Promise<Map<string, number>>} files names and sizes; none where there is no such folder
 * @property {(folder: string, names: string[], buffer?: ArrayBuffer) => Promise<Uint8Array<ArrayBuffer> | undefined>} read all of them, one
 *   after the other, into `buffer` if that serves; undefined where one is missing
 * @property {(folder: string, name: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write
 * @property {(folder: string, name?: string) => Promise<void>} remove a file, or the folder with all in it
 */

/**
 * What dedicated workers have besides: files read and written without the detour by the browser's own process.
 *
 * @typedef {object} InPlace
 * @property {() => number} getSize
 * @property {(bytes: Uint8Array, options: {at: number}) => number} read
 * @property {(bytes: Uint8Array, options: {at: number}) => number} write
 * @property {(size: number) => void} truncate
 * @property {() => void} close
 *
 * @typedef {FileSystemFileHandle & {createSyncAccessHandle?: (options?: {mode: 'read-only' | 'readwrite'}) => Promise<InPlace>}} FileHandle
 */

const ROOT = 'siskin';
/** From this size on a file that a killed browser left half is told by its size, and is part of a model; smaller ones take the place of the old one whole. */
const IN_PLACE_BYTES = 64 << 10;
/** How often and how soon a file that is in use is tried again. */
const MOST_TRIES = 20;
const TRY_AGAIN_MS = 50;
/** What writing says of a file that is being read, and reading of one that was replaced or removed since it was looked up. */
const IS_READ = ['NoModificationAllowedError'];
const IS_REPLACED = ['NotReadableError', 'NotFoundError'];
/** Keys of the Cache API are addresses; this one leads nowhere. */
const CACHE_ORIGIN = 'https://siskin.invalid/';

/** @type {Promise<Store> | undefined} */
let lasting;

/**
 * The best store that this browser gives: OPFS, else the Cache API, else memory.
 *
 * @param {'disk' | 'memory'} wanted
 * @returns {Promise<Store>}
 */
export function openStore(wanted) {
  if (wanted === 'memory') return Promise.resolve(new MemoryStore());
  return (lasting ??= openLasting());
}

/** @returns {Promise<Store>} */
async function openLasting() {
  try {
    // Some browsers have OPFS and yet no writing that works outside of dedicated workers.
    if ('createWritable' in FileSystemFileHandle.prototype) {
      const root = await navigator.storage.getDirectory();
      return new OpfsStore(await root.getDirectoryHandle(ROOT, { create: true }));
    }
  } catch {
    // Private windows and blocked storage refuse: the next one may not.
  }
  try {
    return new CacheStore(await caches.open(ROOT));
  } catch (error) {
    const why = error instanceof ReferenceError ? 'this page is not served over https' : messageOf(error);
    console.warn(`Siskin cannot keep models on this device (${why}): they will be fetched again at the next visit.`);
    return new MemoryStore();
  }
}

/**
 * Asks the browser not to clear this site's storage when the disk runs short. Only pages can; the answer changes nothing here.
 *
 * @returns {Promise<void>}
 */
export async function askToStay() {
  try {
    if (!(await navigator.storage.persisted())) await navigator.storage.persist();
  } catch {
    // Where it cannot be asked for, storage is what it is.
  }
}

/** @implements {Store} */
class OpfsStore {
  kind = /** @type {const} */ ('opfs');
  #root;

  /** @param {FileSystemDirectoryHandle} root */
  constructor(root) {
    this.#root = root;
  }

  async folders() {
    const names = [];
    for await (const [name, handle] of this.#root.entries()) if (handle.kind === 'directory') names.push(name);
    return names;
  }

  /** @param {string} folder */
  files(folder) {
    return whenIdle(IS_REPLACED, () => this.#files(folder));
  }

  /** @param {string} folder */
  async #files(folder) {
    /** @type {Promise<[string, number]>[]} */
    const sizes = [];
    const size = async (/** @type {string} */ name, /** @type {FileSystemFileHandle} */ handle) => /** @type {[string, number]} */ ([name, (await orAbsent(handle.getFile()))?.size ?? 0]);
    const directory = await orAbsent(this.#root.getDirectoryHandle(folder));
    if (directory) for await (const [name, handle] of directory.entries()) if (handle.kind === 'file') sizes.push(size(name, /** @type {FileSystemFileHandle} */ (handle)));
    return new Map(await Promise.all(sizes));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   */
  read(folder, names, buffer) {
    return whenIdle(IS_REPLACED, () => this.#read(folder, names, buffer));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   */
  async #read(folder, names, buffer) {
    const directory = await orAbsent(this.#root.getDirectoryHandle(folder));
    if (!directory) return undefined;
    const handles = (await Promise.all(names.map((name) => orAbsent(directory.getFileHandle(name))))).filter((handle) => handle !== undefined);
    if (handles.length < names.length) return undefined;
    return (await readInPlace(handles, buffer)) ?? joined(await Promise.all(handles.map((handle) => handle.getFile())));
  }

  /**
   * @param {string} folder
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async write(folder, name, bytes) {
    const directory = await this.#root.getDirectoryHandle(folder, { create: true });
    /** @type {FileHandle} */
    const handle = await directory.getFileHandle(name, { create: true });
    const file = bytes.length < IN_PLACE_BYTES ? undefined : await whenIdle(IS_READ, () => openInPlace(handle));
    if (!file) return whenIdle(IS_READ, () => replace(handle, bytes));
    try {
      writeInPlace(file, bytes);
    } catch (error) {
      await directory.removeEntry(name).catch(() => {});
      throw error;
    }
  }

  /**
   * @param {string} folder
   * @param {string} [name]
   */
  async remove(folder, name) {
    if (name === undefined) return whenIdle(IS_READ, () => orAbsent(this.#root.removeEntry(folder, { recursive: true })));
    const directory = await orAbsent(this.#root.getDirectoryHandle(folder));
    if (directory) await whenIdle(IS_READ, () => orAbsent(directory.removeEntry(name)));
  }
}

/**
 * @param {FileHandle} handle
 * @param {{mode: 'read-only'}} [options]
 * @returns {Promise<InPlace | undefined>} undefined where that is not possible: in a page, and in Chrome before 108, where its methods are promises
 */
async function openInPlace(handle, options) {
  const file = await handle.createSyncAccessHandle?.(options);
  if (typeof file?.getSize() === 'number') return file;
  await file?.close();
  return undefined;
}

/**
 * @param {InPlace} file
 * @param {Uint8Array} bytes
 */
function writeInPlace(file, bytes) {
  try {
    file.truncate(0);
    if (file.write(bytes, { at: 0 }) < bytes.length) throw new DOMException('The file could not be written to its end.', 'QuotaExceededError');
  } finally {
    file.close();
  }
}

/**
 * @param {FileSystemFileHandle} handle
 * @param {Uint8Array<ArrayBuffer>} bytes go to a file beside it, which takes its place when it is closed
 */
async function replace(handle, bytes) {
  const file = await handle.createWritable();
  try {
    await file.write(bytes);
    await file.close();
  } catch (error) {
    await file.abort().catch(() => {});
    throw error;
  }
}

/**
 * @param {FileHandle[]} handles
 * @param {ArrayBuffer} [buffer]
 * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>} undefined where that is not possible: in a page, or while another tab reads
 */
async function readInPlace(handles, buffer) {
  const opened = await Promise.allSettled(handles.map((handle) => openInPlace(handle, { mode: 'read-only' })));
  const files = opened.map((result) => (result.status === 'fulfilled' ? result.value : undefined)).filter((file) => file !== undefined);
  try {
    if (files.length < handles.length) return undefined;
    const length = files.reduce((sum, file) => sum + file.getSize(), 0);
    const bytes = buffer && buffer.byteLength >= length ? new Uint8Array(buffer, 0, length) : new Uint8Array(length);
    let at = 0;
    for (const file of files) at += file.read(bytes.subarray(at), { at: 0 });
    return at === bytes.length ? bytes : undefined;
  } finally {
    for (const file of files) file.close();
  }
}

/** @param {Blob[]} blobs */
async function joined(blobs) {
  return new Uint8Array(await new Blob(blobs).arrayBuffer());
}

/** @implements {Store} */
class CacheStore {
  kind = /** @type {const} */ ('cache');
  #cache;

  /** @param {Cache} cache */
  constructor(cache) {
    this.#cache = cache;
  }

  async folders() {
    const names = (await this.#cache.keys()).map(({ url }) => url.slice(CACHE_ORIGIN.length).split('/')[0]);
    return [...new Set(names)];
  }

  /** @param {string} folder */
  async files(folder) {
    const prefix = `${CACHE_ORIGIN}${folder}/`;
    const keys = (await this.#cache.keys()).filter(({ url }) => url.startsWith(prefix));
    const sizes = keys.map(async (key) => {
      const response = await this.#cache.match(key);
      return /** @type {[string, number]} */ ([key.url.slice(prefix.length), Number(response?.headers.get('Content-Length'))]);
    });
    return new Map(await Promise.all(sizes));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   */
  async read(folder, names) {
    const blobs = await Promise.all(names.map(async (name) => (await this.#cache.match(`${CACHE_ORIGIN}${folder}/${name}`))?.blob()));
    return blobs.includes(undefined) ? undefined : joined(/** @type {Blob[]} */ (blobs));
  }

  /**
   * @param {string} folder
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async write(folder, name, bytes) {
    await this.#cache.put(`${CACHE_ORIGIN}${folder}/${name}`, new Response(bytes, { headers: { 'Content-Length': String(bytes.length) } }));
  }

  /**
   * @param {string} folder
   * @param {string} [name]
   */
  async remove(folder, name) {
    const names = name === undefined ? [...(await this.files(folder)).keys()] : [name];
    await Promise.all(names.map((name) => this.#cache.delete(`${CACHE_ORIGIN}${folder}/${name}`)));
  }
}

/** @implements {Store} */
class MemoryStore {
  kind = /** @type {const} */ ('memory');
  /** @type {Map<string, Map<string, Uint8Array<ArrayBuffer>>>} */
  #folders = new Map();
  /** Buffers of parts that were removed: new ones each time would be garbage as large as the model. @type {ArrayBuffer[]} */
  #spare = [];

  async folders() {
    return [...this.#folders.keys()];
  }

  /** @param {string} folder */
  async files(folder) {
    return new Map([...(this.#folders.get(folder) ?? [])].map(([name, { length }]) => [name, length]));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   */
  async read(folder, names, buffer) {
    const files = names.map((name) => this.#folders.get(folder)?.get(name)).filter((file) => file !== undefined);
    if (files.length < names.length) return undefined;
    const length = files.reduce((sum, file) => sum + file.length, 0);
    const bytes = buffer && buffer.byteLength >= length ? new Uint8Array(buffer, 0, length) : new Uint8Array(length);
    let at = 0;
    for (const file of files) {
      bytes.set(file, at);
      at += file.length;
    }
    return bytes;
  }

  /**
   * @param {string} folder
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async write(folder, name, bytes) {
    await this.remove(folder, name);
    const buffer = bytes.length < IN_PLACE_BYTES ? undefined : this.#spare.pop();
    const copy = buffer && buffer.byteLength >= bytes.length ? new Uint8Array(buffer, 0, bytes.length) : new Uint8Array(bytes.length);
    copy.set(bytes);
    const files = this.#folders.get(folder) ?? new Map();
    this.#folders.set(folder, files.set(name, copy));
  }

  /**
   * @param {string} folder
   * @param {string} [name]
   */
  async remove(folder, name) {
    if (name === undefined) this.#folders.delete(folder);
    const file = name === undefined ? undefined : this.#folders.get(folder)?.get(name);
    if (file === undefined || name === undefined) return;
    this.#folders.get(folder)?.delete(name);
    if (file.length >= IN_PLACE_BYTES) this.#spare.push(file.buffer);
  }
}

/**
 * Works with what another tab may just be reading, replacing or removing: that takes no longer than a part.
 *
 * @template T
 * @param {string[]} names of the errors that pass
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function whenIdle(names, work) {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === MOST_TRIES || !(error instanceof DOMException) || !names.includes(error.name)) throw error;
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
    }
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T | undefined>} undefined for what is not there
 */
async function orAbsent(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
    throw error;
  }
}
