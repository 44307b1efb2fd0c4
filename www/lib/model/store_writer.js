/** This module writes to the store within the browser's quota. */
import { SiskinError, messageOf } from '../errors.js';
import { readRecord } from './record.js';
import { ensureQuota, evictLeastRecent, fullError, isFull } from '../storage/quota.js';

/** @import { Store } from '../storage/store.js' */

/** A `StoreWriter` evicts other models, where that is allowed, when the quota is exceeded. */
export class StoreWriter {
  /** Tells whether the browser has refused to store more. */
  is_full = false;
  #store;
  #evict;
  /** @type {Promise<boolean> | undefined} */
  #evicting;

  /**
   * @param {Store} store
   * @param {boolean} evict whether other models may be removed
   */
  constructor(store, evict) {
    this.#store = store;
    this.#evict = evict;
  }

  /**
   * @param {number} wanted_bytes
   * @throws {SiskinError} `storage_full`
   */
  async reserve(wanted_bytes) {
    await ensureQuota(this.#store, wanted_bytes, this.#evict ? this.#lastUse : undefined);
  }

  /**
   * @param {() => Promise<void>} write
   * @param {() => number} missing_bytes how much is still to be stored
   * @throws {SiskinError} `storage_full`, `storage_failed`
   */
  async write(write, missing_bytes) {
    for (;;) {
      try {
        return await write();
      } catch (cause) {
        if (!isFull(cause))
          throw new SiskinError(
            'storage_failed',
            `The browser's storage failed (${messageOf(cause)}). ` +
              "Reload the page, or load with storage: 'memory'.",
            { cause },
          );
        if (this.#evict && (await this.#evictOne())) continue;
        this.is_full = true;
        throw fullError(missing_bytes());
      }
    }
  }

  /** Runs one eviction at a time, even if several writes fail at once. */
  #evictOne() {
    return (this.#evicting ??= evictLeastRecent(this.#store, this.#lastUse).finally(
      () => (this.#evicting = undefined),
    ));
  }

  /** Returns when a model was last used. @type {import('../storage/quota.js').LastUse} */
  #lastUse = async (folder) => (await readRecord(this.#store, folder))?.used_ms ?? 0;
}
