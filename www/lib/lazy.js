/**
 * This module holds the parts of the public API that most pages use late or never: their code is
 * imported with the first call.
 */

/**
 * The models on this device: `list`, `has`, `size`, `prefetch`, `prefetchChunk` and `remove`.
 *
 * @type {typeof import('./model/models.js').models}
 */
export const models = later(
  async () => (await import('./model/models.js')).models,
  ['list', 'has', 'size', 'prefetch', 'prefetchChunk', 'remove'],
);

const importOffline = () => import('./offline/register.js');

/**
 * The service worker: `register`, `remove`, `status`, `update`, `precache` and `onVersion`.
 *
 * @type {Readonly<typeof import('./offline/register.js')>}
 */
export const offline = Object.freeze({
  ...later(importOffline, ['register', 'remove', 'status', 'update', 'precache']),
  onVersion(/** @type {(version: string) => void} */ listener) {
    const ending = importOffline().then(({ onVersion }) => onVersion(listener));
    return () => void ending.then((end) => end());
  },
});

/**
 * @param {() => Promise<Record<string, any>>} load
 * @param {string[]} names of functions that return promises
 * @returns {any} the functions, which import their code when they are called
 */
function later(load, names) {
  return Object.freeze(
    Object.fromEntries(
      names.map((name) => [
        name,
        async (/** @type {unknown[]} */ ...values) => (await load())[name](...values),
      ]),
    ),
  );
}
