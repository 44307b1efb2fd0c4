/**
 * This module holds methods of `Siskin` that most pages never call, and errors of loads that most
 * never see: the code is imported when it is needed.
 */
import { bridge } from './bridge.js';
import { SiskinError } from '../errors.js';

export { rememberGpu } from './gpu_memory.js';

/** @import { Client } from './engines.js' */
/** @import { PortLike } from './port.js' */

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

/** @param {string} name of an option that `Siskin.load` does not have */
export function unknownOptionError(name) {
  return new SiskinError(
    'invalid_argument',
    `Siskin.load has no option \`${name}\`. It takes onProgress, signal, contextTokens, slots, ` +
      'adapters, chatTemplate, cacheType, threads, backend, sha256, storage, evict, persist, ' +
      'cacheKey, revalidate, shared, fallback, workerUrl, worker and wasmBaseUrl.',
  );
}
