/**
 * `SwState` stores the service worker's state, because the browser may end a service worker at any
 * time. Each entry is one response in a cache.
 */
export class SwState {
  #cache;
  #base;

  /**
   * @param {string} cache_name
   * @param {string} base a URL that ends with a slash; entries are named below it
   */
  constructor(cache_name, base) {
    this.#cache = caches.open(cache_name);
    this.#base = new URL('siskin-memo/', base);
  }

  /**
   * @param {string} name
   * @returns {Promise<string | undefined>}
   */
  async get(name) {
    return (await (await this.#cache).match(this.#url(name)))?.text();
  }

  /**
   * @param {string} name
   * @param {string} value
   * @returns {Promise<void>}
   */
  async set(name, value) {
    await (await this.#cache).put(this.#url(name), new Response(value));
  }

  /** @param {string} name */
  async delete(name) {
    await (await this.#cache).delete(this.#url(name));
  }

  /**
   * @param {string} prefix
   * @returns {Promise<string[]>} the names that begin with it
   */
  async names(prefix) {
    const start = this.#url(prefix);
    const requests = await (await this.#cache).keys();
    return requests
      .filter(({ url }) => url.startsWith(start))
      .map(({ url }) => decodeURIComponent(url.slice(this.#base.href.length)));
  }

  /** @param {string} name */
  #url(name) {
    return this.#base.href + encodeURIComponent(name);
  }
}
