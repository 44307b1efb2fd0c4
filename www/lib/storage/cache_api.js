/**
 * This module stores parts in the Cache API, for browsers that cannot write OPFS in every context.
 */

/** @import { Store } from './store.js' */

/** Keys of the Cache API are URLs; this origin does not exist. */
const CACHE_ORIGIN = 'https://siskin.invalid/';

/** @implements {Store} */
export class CacheStore {
  kind = /** @type {const} */ ('cache');
  #cache;

  /** @param {Cache} cache */
  constructor(cache) {
    this.#cache = cache;
  }

  async folders() {
    const names = (await this.#cache.keys()).map(
      ({ url }) => url.slice(CACHE_ORIGIN.length).split('/')[0],
    );
    return [...new Set(names)];
  }

  /** @param {string} folder */
  async files(folder) {
    const prefix = `${CACHE_ORIGIN}${folder}/`;
    const keys = (await this.#cache.keys()).filter(({ url }) => url.startsWith(prefix));
    const sizes = keys.map(async (key) => {
      const response = await this.#cache.match(key);
      return /** @type {[string, number]} */ ([
        key.url.slice(prefix.length),
        Number(response?.headers.get('Content-Length')),
      ]);
    });
    return new Map(await Promise.all(sizes));
  }

  /**
   * @param {string} folder
   * @param {string[]} names
   */
  async read(folder, names) {
    const blobs = await Promise.all(
      names.map(async (name) =>
        (await this.#cache.match(`${CACHE_ORIGIN}${folder}/${name}`))?.blob(),
      ),
    );
    return blobs.includes(undefined)
      ? undefined
      : new Uint8Array(await new Blob(/** @type {Blob[]} */ (blobs)).arrayBuffer());
  }

  /**
   * @param {string} folder
   * @param {string} name
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async write(folder, name, bytes) {
    await this.#cache.put(
      `${CACHE_ORIGIN}${folder}/${name}`,
      new Response(bytes, { headers: { 'Content-Length': String(bytes.length) } }),
    );
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
