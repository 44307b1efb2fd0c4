/** What `Siskin.load` is given, in a form that can be posted to the worker; and the streams that come of it there. */
import { SiskinError, messageOf } from './errors.js';
import { checkStatus, contentLength } from './http.js';

/** @import { UrlSource, WeightSource } from './protocol.js' */

/**
 * @typedef {object} DescribedSource
 * @property {WeightSource} source
 * @property {Transferable[]} transfer
 * @property {() => void} close lets go of a stream that nobody will read to its end
 */

/**
 * How a model at an address is kept.
 *
 * @typedef {object} StoreOptions
 * @property {string} [sha256] of the file at the address, in hexadecimal: of the GGUF file, or of the manifest
 * @property {'disk' | 'memory'} [storage] `memory` keeps nothing for the next visit; by default `disk`
 * @property {boolean} [evict] whether models that were not used for longest may be removed where room is short
 */

/**
 * Turns what `Siskin.load` takes into something that can be posted to a worker. Called on the page.
 *
 * @param {string | URL | Request | Response | Blob | ReadableStream<Uint8Array>} source
 * @param {StoreOptions} [options]
 * @returns {DescribedSource}
 * @throws {SiskinError} `invalid_argument`, `http_status`
 */
export function describeSource(source, options = {}) {
  const close = () => {};
  if (typeof source === 'string' || source instanceof URL || source instanceof Request) {
    return { source: urlSource(source, options), transfer: [], close };
  }
  if (options.sha256 !== undefined) throw new SiskinError('invalid_argument', 'sha256 goes with an address: what a page hands over is its own to check.');
  if (source instanceof Blob) return { source: { kind: 'blob', blob: source }, transfer: [], close };
  if (source instanceof Response) {
    checkStatus(source);
    if (!source.body) throw new SiskinError('invalid_argument', 'The response has no body. Pass a response whose body holds a GGUF file.');
    return portSource(source.body, contentLength(source));
  }
  if (source instanceof ReadableStream) return portSource(source, null);
  throw new SiskinError('invalid_argument', 'Siskin.load takes a URL, a Request, a Response, a File, a Blob or a ReadableStream.');
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
  if (storage !== 'disk' && storage !== 'memory') throw new SiskinError('invalid_argument', "storage must be 'disk' or 'memory'.");
  if (typeof evict !== 'boolean') throw new SiskinError('invalid_argument', 'evict must be true or false.');
  const kept = { sha256: sha256?.toLowerCase(), storage, evict };
  if (!(source instanceof Request)) return { kind: 'url', url: absoluteUrl(source), init: {}, ...kept };
  if (source.method !== 'GET') throw new SiskinError('invalid_argument', 'A model is fetched with GET: pass a GET request, or the response to yours.');
  const { credentials, redirect, referrerPolicy } = source;
  return { kind: 'url', url: absoluteUrl(source.url), init: { headers: [...source.headers], credentials, redirect, referrerPolicy }, ...kept };
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
    throw new SiskinError('invalid_argument', `"${url}" is not a URL. Give the address of a GGUF file.`, { cause });
  }
  if (!['http:', 'https:', 'blob:', 'data:', 'chrome-extension:', 'moz-extension:'].includes(absolute.protocol)) {
    throw new SiskinError('invalid_argument', `A model cannot be fetched from "${absolute.protocol}". Give an https address, or open the file itself.`);
  }
  absolute.hash = '';
  return absolute.href;
}

/**
 * A stream of the page, read by the worker chunk by chunk through a port: not every browser can transfer streams.
 *
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number | null} total_bytes
 * @returns {DescribedSource}
 */
function portSource(stream, total_bytes) {
  if (stream.locked) throw new SiskinError('invalid_argument', 'The stream is already being read. Pass one that nobody has read from.');
  const { port1, port2 } = new MessageChannel();
  const reader = stream.getReader();
  const close = () => {
    port1.close();
    reader.cancel().catch(() => {});
  };
  port1.onmessage = async ({ data }) => {
    if (data === 'cancel') return close();
    try {
      const { done, value } = await reader.read();
      if (done) {
        port1.postMessage({ done: true });
      } else if (value instanceof Uint8Array) {
        // A copy, because the chunk stays the caller's.
        const bytes = value.slice();
        port1.postMessage({ done: false, bytes }, [bytes.buffer]);
      } else {
        port1.postMessage({ code: 'invalid_argument', message: 'The stream gave something other than a Uint8Array. Pass a stream of bytes.' });
        close();
      }
    } catch (error) {
      port1.postMessage({ code: 'network', message: `The stream broke off: ${messageOf(error)}. Try again.` });
    }
  };
  return { source: { kind: 'port', port: port2, total_bytes }, transfer: [port2], close };
}

/**
 * @param {MessagePort} port
 * @returns {ReadableStream<Uint8Array>}
 */
export function portStream(port) {
  return new ReadableStream({
    pull(controller) {
      return new Promise((resolve) => {
        port.onmessage = ({ data }) => {
          if (data.code) controller.error(new SiskinError(data.code, data.message));
          else if (data.done) controller.close();
          else controller.enqueue(data.bytes);
          resolve();
        };
        port.postMessage('pull');
      });
    },
    cancel() {
      port.postMessage('cancel');
    },
  });
}
