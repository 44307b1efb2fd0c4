/** This module stores parts in memory, which keeps nothing for the next visit. */
import { freeBuffer } from './free_buffer.js';

/** @import { Store } from './store.js' */

/**
 * Buffers of at least this size are used again; smaller ones are left to the garbage collector.
 */
const MIN_REUSED_BYTES = 64 << 10;

/** @implements {Store} */
export class MemoryStore {
  kind = /** @type {const} */ ('memory');
  /** @type {Map<string, Map<string, Uint8Array<ArrayBuffer>>>} */
  #folders = new Map();
  /**
   * Buffers of removed parts are used again: new ones each time would leave as much garbage as the
   * model is large.
   *
   * @type {ArrayBuffer[]}
   */
  #free_buffers = [];

  async folders() {
    return [...this.#folders.keys()];
  }

  /** @param {string} folder */
  async files(folder) {
    return new Map(
      [...(this.#folders.get(folder) ?? [])].map(([name, { length }]) => [name, length]),
    );
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   * @param {ArrayBuffer} [buffer]
   */
  async read(folder, names, buffer) {
    const files = names
      .map((name) => this.#folders.get(folder)?.get(name))
      .filter((file) => file !== undefined);
    if (files.length < names.length) return undefined;
    const length = files.reduce((sum, file) => sum + file.length, 0);
    const bytes =
      buffer && buffer.byteLength >= length
        ? new Uint8Array(buffer, 0, length)
        : new Uint8Array(length);
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
    const buffer = bytes.length < MIN_REUSED_BYTES ? undefined : this.#free_buffers.pop();
    const copy =
      buffer && buffer.byteLength >= bytes.length
        ? new Uint8Array(buffer, 0, bytes.length)
        : new Uint8Array(bytes.length);
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
    if (file.length >= MIN_REUSED_BYTES) this.#free_buffers.push(file.buffer);
  }

  trim() {
    this.#free_buffers.splice(0).forEach(freeBuffer);
  }
}
