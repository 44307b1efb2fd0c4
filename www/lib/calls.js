/**
 * This module holds methods of `Siskin` that most pages never call, and errors of loads that most
 * never see: the code is imported when it is needed.
 */
import { bridge } from './engine/bridge.js';
import { SiskinError } from './errors.js';

export { requestPersistence } from './storage/persistence.js';

/** @import { Client } from './engine/engines.js' */
/** @import { PortLike } from './engine/port.js' */
/** @import { Score } from './protocol.js' */

/**
 * @param {() => Promise<Client>} open
 * @param {string} text
 * @param {{special?: boolean}} [options]
 * @returns {Promise<Uint32Array>}
 */
export async function tokenize(open, text, { special = false } = {}) {
  if (typeof text !== 'string')
    throw new SiskinError('invalid_argument', 'tokenize takes a string.');
  const message = { type: /** @type {const} */ ('tokenize'), text, special: Boolean(special) };
  return Uint32Array.from(await (await open()).call(message).result);
}

/**
 * @param {() => Promise<Client>} open
 * @param {Iterable<number>} ids
 * @returns {Promise<string>}
 */
export async function detokenize(open, ids) {
  return (await open()).call({ type: 'detokenize', ids: tokenIds('detokenize', ids) }).result;
}

/**
 * @param {() => Promise<Client>} open
 * @param {Iterable<number>} ids
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Score>}
 */
export async function score(open, ids, signal) {
  const message = { type: /** @type {const} */ ('score'), ids: tokenIds('score', ids) };
  return (await open()).call(message, { signal }).result;
}

/**
 * @param {() => Promise<Client>} open
 * @param {PortLike} port
 */
export async function serve(open, port) {
  const client = await open();
  const { port1, port2 } = new MessageChannel();
  bridge(port, port1);
  client.send({ type: 'serve', port: port2 }, [port2]);
}

/**
 * @param {string} method
 * @param {Iterable<number>} ids
 */
function tokenIds(method, ids) {
  const numbers = [...ids];
  if (numbers.every((id) => Number.isInteger(id) && id >= 0 && id <= 0xffffffff))
    return Uint32Array.from(numbers);
  throw new SiskinError('invalid_argument', `${method} takes token ids: whole numbers from 0.`);
}

/** Returns why no model loads outside a browser. */
export function unsupportedError() {
  return new SiskinError(
    'unsupported',
    'Siskin runs in browsers: load the model in a page or in a dedicated worker. Node, server ' +
      'components and service workers cannot start its engine.',
  );
}

/** @param {string} name of an option that `Siskin.load` does not have */
export function unknownOptionError(name) {
  return new SiskinError(
    'invalid_argument',
    `Siskin.load has no option "${name}". It takes onProgress, signal, contextTokens, slots, ` +
      'chatTemplate, cacheType, threads, backend, sha256, storage, evict, persist, cacheKey, ' +
      'revalidate, shared, fallback, workerUrl, worker and wasmBaseUrl.',
  );
}
