/** This module turns the argument of `Siskin.load` into a message for the worker. */
import { SiskinError } from '../errors.js';
import { checkStatus, contentLength } from './http.js';
import { portSource } from './stream.js';

/** @import { UrlSource, WeightSource } from '../protocol.js' */

/**
 * @typedef {object} DescribedSource
 * @property {WeightSource} source
 * @property {Transferable[]} transfer
 * @property {() => void} close cancels a stream that will not be read to its end
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
 */

/**
 * Turns the argument of `Siskin.load` into a source that can be posted to a worker. Runs on the
 * page.
 *
 * @param {string | URL | Request | Response | Blob | ReadableStream<Uint8Array>} source
 * @param {StoreOptions} [options]
 * @returns {DescribedSource}
 * @throws {SiskinError} `invalid_argument`, `http_status`
 */
export function describeSource(source, options = {}) {
  const close = () => {};
  if (typeof source === 'string' || isA(source, 'URL') || isA(source, 'Request')) {
    return { source: urlSource(source, options), transfer: [], close };
  }
  if (options.sha256 !== undefined)
    throw new SiskinError(
      'invalid_argument',
      'sha256 goes with an address: what a page hands over is its own to check.',
    );
  if (isA(source, 'Blob') || isA(source, 'File'))
    return { source: { kind: 'blob', blob: source }, transfer: [], close };
  if (isA(source, 'Response')) {
    checkStatus(source);
    if (!source.body)
      throw new SiskinError(
        'invalid_argument',
        'The response has no body. Pass a response whose body holds a GGUF file.',
      );
    return portSource(source.body, contentLength(source));
  }
  if (isA(source, 'ReadableStream')) return portSource(source, null);
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
function isA(value, name) {
  return Object.prototype.toString.call(value) === `[object ${name}]`;
}

/**
 * @param {string | URL | Request} source
 * @param {StoreOptions} [options]
 * @returns {UrlSource}
 * @throws {SiskinError} `invalid_argument`
 */
export function urlSource(source, { sha256, storage = 'disk', evict = false } = {}) {
  if (sha256 !== undefined && !(typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256))) {
    throw new SiskinError('invalid_argument', 'sha256 must be 64 hexadecimal digits.');
  }
  if (storage !== 'disk' && storage !== 'memory')
    throw new SiskinError('invalid_argument', "storage must be 'disk' or 'memory'.");
  if (typeof evict !== 'boolean')
    throw new SiskinError('invalid_argument', 'evict must be true or false.');
  const kept = { sha256: sha256?.toLowerCase(), storage, evict };
  if (!isA(source, 'Request')) return { kind: 'url', url: absoluteUrl(source), init: {}, ...kept };
  if (source.method !== 'GET')
    throw new SiskinError(
      'invalid_argument',
      'A model is fetched with GET: pass a GET request, or the response to yours.',
    );
  const { credentials, redirect, referrerPolicy } = source;
  return {
    kind: 'url',
    url: absoluteUrl(source.url),
    init: { headers: [...source.headers], credentials, redirect, referrerPolicy },
    ...kept,
  };
}

/**
 * @param {string | URL} url
 * @returns {string}
 */
function absoluteUrl(url) {
  let absolute;
  try {
    absolute = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
  } catch (cause) {
    throw new SiskinError(
      'invalid_argument',
      `"${url}" is not a URL. Give the address of a GGUF file.`,
      { cause },
    );
  }
  if (
    !['http:', 'https:', 'blob:', 'data:', 'chrome-extension:', 'moz-extension:'].includes(
      absolute.protocol,
    )
  ) {
    throw new SiskinError(
      'invalid_argument',
      `A model cannot be fetched from "${absolute.protocol}". Give an https address, or open ` +
        'the file itself.',
    );
  }
  absolute.hash = '';
  return absolute.href;
}
