/**
 * This module holds the parts of the public API that most pages use late or never: their code is
 * imported with the first call.
 */

import { SiskinError, throwIfUnsupported } from './errors.js';

/**
 * The models on this device: `list`, `has`, `size`, `prefetch`, `prefetchChunk` and `remove`.
 *
 * @type {typeof import('./model/models.js').models}
 */
export const models = later(
  async () => (await imported(import('./model/models.js'))).models,
  ['list', 'has', 'size', 'prefetch', 'prefetchChunk', 'remove'],
);

const importOffline = () => imported(import('./offline/register.js'));

/**
 * The service worker: `register`, `remove`, `status`, `update`, `precache` and `onVersion`.
 *
 * @type {Readonly<typeof import('./offline/register.js')>}
 */
export const offline = Object.freeze({
  ...later(importOffline, ['register', 'remove', 'status', 'update', 'precache']),
  onVersion(/** @type {(version: string) => void} */ listener) {
    const ending = importOffline().then(({ onVersion }) => onVersion(listener));
    const ignore = () => {};
    ending.catch(ignore);
    return () => void ending.then((end) => end(), ignore);
  },
});

/**
 * `chat` is the module of chats, once it is there: it comes while a model is loaded.
 *
 * @type {typeof import('./chat/local_answer.js') | undefined}
 */
export let chat;

/** Returns the module of chats. */
export async function importChat() {
  return (chat ??= await imported(import('./chat/local_answer.js')));
}

/** Returns the module of streams of the page. */
export function importStream() {
  return imported(import('./model/stream.js'));
}

/** Returns the module of the engine that all tabs use. */
export function importShared() {
  return imported(import('./engine/shared_engine.js'));
}

/** Returns the module of the beginnings that are kept. */
export function importPrefix() {
  return imported(import('./chat/prefix.js'));
}

/** Returns the module of the server that answers until the model is there. */
export function importFallback() {
  return imported(import('./chat/fallback.js'));
}

/** Returns the module of the methods that few pages call. */
export function importCalls() {
  return imported(import('./engine/calls.js'));
}

/** Returns the module of corrections. */
export async function importWriting() {
  // Corrections keep what their prompts begin with.
  const [writing] = await Promise.all([imported(import('./writing/index.js')), importPrefix()]);
  return writing;
}

/** Returns the module of what OpenAI's API has beside chats. */
export function importOpenAI() {
  return imported(import('./openai/index.js'));
}

/** Returns the module that looks at a model before it is downloaded. */
export function importCheck() {
  return imported(import('./check.js'));
}

/**
 * @template T
 * @param {Promise<T>} importing
 * @returns {Promise<T>}
 * @throws {SiskinError} `version_mismatch`, `network`, `unsupported` in a service worker, where
 *   nothing can be imported late
 */
async function imported(importing) {
  try {
    return await importing;
  } catch (cause) {
    throwIfUnsupported();
    const [code, why] = navigator.onLine
      ? [
          /** @type {const} */ ('version_mismatch'),
          'the site has changed since the page was opened. Reload the page.',
        ]
      : [/** @type {const} */ ('network'), 'there is no network. Try again later.'];
    throw new SiskinError(code, `A part of Siskin did not load: ${why}`, { cause });
  }
}

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
