// This module plays the browser's CacheStorage.

/** A CacheStorage whose keys are URLs. */
export class Caches {
  all = new Map();
  async open(name) {
    if (!this.all.has(name)) this.all.set(name, new Map());
    const entries = this.all.get(name);
    return {
      match: async (url) => entries.get(String(url))?.clone(),
      put: async (url, response) => void entries.set(String(url), response),
      delete: async (url) => entries.delete(String(url)),
      keys: async () => [...entries.keys()].map((url) => ({ url })),
    };
  }
  async keys() {
    return [...this.all.keys()];
  }
  async delete(name) {
    return this.all.delete(name);
  }
}
