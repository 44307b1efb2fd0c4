// This module stands in for `navigator.locks`, with exclusive locks alone.
import { after } from 'node:test';

class AbortError extends Error {
  name = 'AbortError';
}

export class FakeLocks {
  /** What holds a lock, and who waits for it, by its name. */
  #locks = new Map();

  request(name, options, run = options) {
    const { signal, ifAvailable, steal } = typeof options === 'object' ? options : {};
    const lock = this.#locks.get(name) ?? { holder: undefined, waiting: [] };
    this.#locks.set(name, lock);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new AbortError('aborted'));
      const request = { run, resolve, reject };
      if (ifAvailable && lock.holder) return resolve(run(null));
      if (steal) {
        lock.holder?.reject(new AbortError('stolen'));
        lock.holder = undefined;
        lock.waiting.unshift(request);
      } else lock.waiting.push(request);
      signal?.addEventListener('abort', () => {
        const index = lock.waiting.indexOf(request);
        if (index < 0) return;
        lock.waiting.splice(index, 1);
        reject(new AbortError('aborted'));
      });
      this.#grant(name, lock);
    });
  }

  /** Whether somebody holds a lock. */
  isHeld(name) {
    return this.#locks.get(name)?.holder !== undefined;
  }

  /** The names of the locks that are held. */
  held() {
    return [...this.#locks.keys()].filter((name) => this.isHeld(name));
  }

  async #grant(name, lock) {
    if (lock.holder) return;
    const request = lock.waiting.shift();
    if (!request) return;
    lock.holder = request;
    await null;
    try {
      request.resolve(await request.run({ name }));
    } catch (error) {
      request.reject(error);
    }
    if (lock.holder !== request) return;
    lock.holder = undefined;
    this.#grant(name, lock);
  }
}

/** Gives all tests of a file a `navigator` with such locks. */
export function useFakeLocks() {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  const value = { locks: new FakeLocks() };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  after(() => {
    if (descriptor) Object.defineProperty(globalThis, 'navigator', descriptor);
    else delete globalThis.navigator;
  });
}
