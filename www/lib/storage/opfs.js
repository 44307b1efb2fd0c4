/** This module stores parts in the browser's origin private file system (OPFS). */

/** @import { Store } from './store.js' */

/**
 * `SyncAccessHandle` is FileSystemSyncAccessHandle, which dedicated workers have: it reads and
 * writes files without a round trip to the browser's process.
 *
 * @typedef {object} SyncAccessHandle
 * @property {() => number} getSize
 * @property {(bytes: Uint8Array, options: {at: number}) => number} read
 * @property {(bytes: Uint8Array, options: {at: number}) => number} write
 * @property {(size: number) => void} truncate
 * @property {() => void} close
 *
 * @typedef {FileSystemFileHandle & {
 *   createSyncAccessHandle?: (options?: {
 *     mode: 'read-only' | 'readwrite',
 *   }) => Promise<SyncAccessHandle>,
 * }} FileHandle
 */

/**
 * Files of at least this size are parts of a model and are written in place: a part that a killed
 * browser left incomplete is recognized by its size. Smaller files are replaced as a whole.
 */
const MIN_IN_PLACE_BYTES = 64 << 10;
/** Files are written in pieces of this size. */
const WRITE_BYTES = 256 << 10;
/** An operation on a file that is in use is retried this often, each time after this delay. */
const MAX_RETRIES = 20;
const RETRY_MS = 50;
/**
 * Writing fails with these errors while the file is being read, and reading fails with those below
 * if the file was replaced or removed since it was looked up; in Firefox now and then with an
 * AbortError while the service worker writes.
 */
const LOCKED_ERRORS = ['NoModificationAllowedError'];
const REPLACED_ERRORS = ['NotReadableError', 'NotFoundError', 'AbortError'];

/** @type {Uint8Array | undefined} of `WRITE_BYTES` */
let write_buffer;

/** @implements {Store} */
export class OpfsStore {
  kind = /** @type {const} */ ('opfs');
  #root;

  /** @param {FileSystemDirectoryHandle} root */
  constructor(root) {
    this.#root = root;
  }

  async folders() {
    const names = [];
    for await (const [name, handle] of this.#root.entries())
      if (handle.kind === 'directory') names.push(name);
    return names;
  }

  /** @param {string} folder */
  files(folder) {
    return retryOn(REPLACED_ERRORS, () => this.#files(folder));
  }

  /** @param {string} folder */
  async #files(folder) {
    /** @type {Promise<[string, number]>[]} */
    const sizes = [];
    const size = async (/** @type {string} */ name, /** @type {FileSystemFileHandle} */ handle) =>
      /** @type {[string, number]} */ ([name, (await ifFound(handle.getFile()))?.size ?? 0]);
    const directory = await ifFound(this.#root.getDirectoryHandle(folder));
    if (directory)
      for await (const [name, handle] of directory.entries())
        if (handle.kind === 'file')
          sizes.push(size(name, /** @type {FileSystemFileHandle} */ (handle)));
    return new Map(await Promise.all(sizes));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   */
  read(folder, names, buffer) {
    return retryOn(REPLACED_ERRORS, () => this.#read(folder, names, buffer));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   */
  async #read(folder, names, buffer) {
    const directory = await ifFound(this.#root.getDirectoryHandle(folder));
    if (!directory) return undefined;
    const handles = (
      await Promise.all(names.map((name) => ifFound(directory.getFileHandle(name))))
    ).filter((handle) => handle !== undefined);
    if (handles.length < names.length) return undefined;
    return (
      (await readSync(handles, buffer)) ??
      new Uint8Array(
        await new Blob(await Promise.all(handles.map((handle) => handle.getFile()))).arrayBuffer(),
      )
    );
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
    const file =
      bytes.length < MIN_IN_PLACE_BYTES
        ? undefined
        : await retryOn(LOCKED_ERRORS, () => openSync(handle));
    if (!file) return retryOn(LOCKED_ERRORS, () => replace(handle, bytes));
    try {
      writeSync(file, bytes);
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
    if (name === undefined)
      return retryOn(LOCKED_ERRORS, () =>
        ifFound(this.#root.removeEntry(folder, { recursive: true })),
      );
    const directory = await ifFound(this.#root.getDirectoryHandle(folder));
    if (directory) await retryOn(LOCKED_ERRORS, () => ifFound(directory.removeEntry(name)));
  }
}

/**
 * @param {FileHandle} handle
 * @param {{mode: 'read-only'}} [options]
 * @returns {Promise<SyncAccessHandle | undefined>} undefined where that is not possible: in a page,
 *   and in Chrome before 108, where its methods are promises
 */
async function openSync(handle, options) {
  const file = await handle.createSyncAccessHandle?.(options);
  if (typeof file?.getSize() === 'number') return file;
  await file?.close();
  return undefined;
}

/**
 * Writes a file by way of a small buffer, because Chromium keeps hold of what it writes until the
 * garbage collector comes: `freeBuffer` could not free it.
 *
 * @param {SyncAccessHandle} file
 * @param {Uint8Array} bytes
 */
function writeSync(file, bytes) {
  write_buffer ??= new Uint8Array(WRITE_BYTES);
  try {
    file.truncate(0);
    for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
      const piece = write_buffer.subarray(0, bytes.length - at);
      piece.set(bytes.subarray(at, at + WRITE_BYTES));
      if (file.write(piece, { at }) < piece.length)
        throw new DOMException('The file could not be written to its end.', 'QuotaExceededError');
    }
  } finally {
    file.close();
  }
}

/**
 * @param {FileSystemFileHandle} handle
 * @param {Uint8Array<ArrayBuffer>} bytes are written to a temporary file, which replaces the file
 *   when it is closed
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
 * @returns {Promise<Uint8Array<ArrayBuffer> | undefined>} undefined where that is not possible: in
 *   a page, or while another tab reads
 */
async function readSync(handles, buffer) {
  const opened = await Promise.allSettled(
    handles.map((handle) => openSync(handle, { mode: 'read-only' })),
  );
  const files = opened
    .map((result) => (result.status === 'fulfilled' ? result.value : undefined))
    .filter((file) => file !== undefined);
  try {
    if (files.length < handles.length) return undefined;
    const length = files.reduce((sum, file) => sum + file.getSize(), 0);
    const bytes =
      buffer && buffer.byteLength >= length
        ? new Uint8Array(buffer, 0, length)
        : new Uint8Array(length);
    let at = 0;
    for (const file of files) at += file.read(bytes.subarray(at), { at: 0 });
    return at === bytes.length ? bytes : undefined;
  } finally {
    for (const file of files) file.close();
  }
}

/**
 * Retries an operation on a file that another tab may be reading, replacing or removing, which
 * takes no longer than one part.
 *
 * @template T
 * @param {string[]} names of the errors that pass
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function retryOn(names, work) {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === MAX_RETRIES || !(error instanceof DOMException) || !names.includes(error.name))
        throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T | undefined>} undefined for what is not there
 */
async function ifFound(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
    throw error;
  }
}
