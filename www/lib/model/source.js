/** This module turns the argument of `Siskin.load` into a message for the worker. */
import { SiskinError } from '../errors.js';
import { addressHint, publicAddress, readAddress } from './address.js';

/** @import { UrlSource, WeightSource } from '../protocol.js' */

/**
 * @typedef {object} DescribedSource
 * @property {WeightSource} source
 * @property {Transferable[]} transfer
 * @property {() => void} close cancels a stream that will not be read to its end
 */

/**
 * An `AdapterSource` is a LoRA adapter that is loaded beside a model.
 *
 * @typedef {object} AdapterSource
 * @property {WeightSource | undefined} source undefined for a stream, which is refused
 * @property {number} scale how strong it is where a request does not say
 */

/**
 * `StoreOptions` say how a model at a URL is stored.
 *
 * @typedef {object} StoreOptions
 * @property {string} [sha256] of the file at the address, in hexadecimal: of the GGUF file, or of
 *   the manifest
 * @property {'disk' | 'memory'} [storage] `memory` keeps nothing for the next visit; by default
 *   `disk`
 * @property {boolean} [evict] whether the least recently used models may be removed where the
 *   quota is exceeded
 * @property {boolean} [persist] whether the browser is asked never to clear this site's storage;
 *   Firefox shows the visitor a prompt
 * @property {string} [cacheKey] what the model is known by on this device, in place of its address;
 *   for addresses that change and whose file stays
 * @property {boolean} [revalidate] whether the server is asked if a stored file has changed
 */

/**
 * Turns the argument of `Siskin.load` into a source that can be posted to a worker. Runs on the
 * page.
 *
 * @param {string | URL | Request | Response | Blob | ReadableStream<Uint8Array>} source
 * @param {StoreOptions} [options]
 * @returns {DescribedSource | undefined} undefined for a response or a stream, which few pages
 *   pass: `describeStream` (stream.js) describes those
 * @throws {SiskinError} `invalid_argument`
 */
export function describeSource(source, options = {}) {
  const close = () => {};
  if (typeof source === 'string' || isA(source, 'URL') || isA(source, 'Request')) {
    return { source: urlSource(source, options), transfer: [], close };
  }
  for (const name of /** @type {const} */ (['sha256', 'cacheKey']))
    if (options[name] !== undefined)
      throw new SiskinError(
        'invalid_argument',
        `\`${name}\` goes with an address: what a page hands over is its own to check and to keep.`,
      );
  if (isA(source, 'Blob') || isA(source, 'File'))
    return { source: { kind: 'blob', blob: source }, transfer: [], close };
  if (isA(source, 'Response') || isA(source, 'ReadableStream')) return undefined;
  throw new SiskinError(
    'invalid_argument',
    'Siskin.load takes a URL, a Request, a Response, a File, a Blob or a ReadableStream.',
  );
}

/**
 * Returns whether a value is of one of the browser's classes, in this realm or in that of a frame.
 *
 * @template {'Blob' | 'File' | 'ReadableStream' | 'Request' | 'Response' | 'URL'} Name
 * @param {unknown} value
 * @param {Name} name of the class
 * @returns {value is InstanceType<(typeof globalThis)[Name]>}
 */
export function isA(value, name) {
  return Object.prototype.toString.call(value) === `[object ${name}]`;
}

/**
 * @param {string | URL | Request} source
 * @param {StoreOptions} [options]
 * @returns {UrlSource}
 * @throws {SiskinError} `invalid_argument`
 */
export function urlSource(source, options = {}) {
  const { sha256, storage = 'disk', evict = false, persist = false } = options;
  const { cacheKey, revalidate = false } = options;
  if (sha256 !== undefined && !(typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256)))
    throw new SiskinError('invalid_argument', '`sha256` must be 64 hexadecimal digits.');
  if (storage !== 'disk' && storage !== 'memory')
    throw new SiskinError('invalid_argument', "`storage` must be 'disk' or 'memory'.");
  if (cacheKey !== undefined && (typeof cacheKey !== 'string' || cacheKey === ''))
    throw new SiskinError('invalid_argument', '`cacheKey` must be a string that is not empty.');
  for (const [name, value] of Object.entries({ evict, persist, revalidate }))
    if (typeof value !== 'boolean')
      throw new SiskinError('invalid_argument', `\`${name}\` must be true or false.`);
  const { address, init } = isA(source, 'Request') ? readRequest(source) : readUrl(source);
  return {
    kind: 'url',
    url: address.href,
    key: cacheKey ?? publicAddress(address.href),
    hint: addressHint(source),
    init,
    sha256: sha256?.toLowerCase(),
    storage,
    evict,
    revalidate,
  };
}

/**
 * Reads an address. `fetch` takes none with a user and password: they become a header, as when a
 * browser opens the address.
 *
 * @param {string | URL} source
 * @returns {{address: URL, init: RequestInit}}
 */
function readUrl(source) {
  const address = readAddress(source);
  const { username, password } = address;
  if (!username && !password) return { address, init: {} };
  address.username = address.password = '';
  const login = [username, password].map(decodeURIComponent).join(':');
  const basic = btoa(String.fromCharCode(...new TextEncoder().encode(login)));
  return { address, init: { headers: [['Authorization', `Basic ${basic}`]] } };
}

/**
 * @param {Request} source
 * @returns {{address: URL, init: RequestInit}}
 * @throws {SiskinError} `invalid_argument`
 */
function readRequest(source) {
  if (source.method !== 'GET')
    throw new SiskinError(
      'invalid_argument',
      'A model is fetched with GET: pass a GET request, or the response to yours.',
    );
  const { credentials, redirect, referrerPolicy } = source;
  return {
    address: readAddress(source.url),
    init: { headers: [...source.headers], credentials, redirect, referrerPolicy },
  };
}
