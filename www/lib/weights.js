/**
 * Where a model's bytes come from. The one module that touches network and storage; page and worker share it.
 *
 * The page turns what the caller gave into a `WeightSource` that can be posted (`describeSource`); the worker opens it
 * (`openWeights`) and pumps it into the engine (`pumpWeights`). A store that keeps files on the visitor's disk belongs inside
 * `openWeights`: it would give the same `Weights`, with `from_cache` true.
 */
import { SiskinError, messageOf, throwIfAborted } from './errors.js';

/** @import { LoadProgress, WeightSource } from './protocol.js' */

/**
 * @typedef {object} Weights
 * @property {ReadableStream<Uint8Array>} stream
 * @property {number | null} total_bytes
 * @property {boolean} from_cache
 * @property {string} broken what to say when the stream breaks off
 */

/**
 * @typedef {object} DescribedSource
 * @property {WeightSource} source
 * @property {Transferable[]} transfer
 * @property {() => void} close lets go of a stream that nobody will read to its end
 */

const CONNECTION_BROKEN = 'The connection broke before the model had arrived. Check it and try again.';
const FILE_BROKEN = 'The file could not be read to its end. Check that it was not moved or changed, and open it again.';

/** Speed is taken over this long. */
const SPEED_WINDOW_MS = 3000;
const PROGRESS_INTERVAL_MS = 100;

/**
 * Turns what `Siskin.load` takes into something that can be posted to a worker. Called on the page.
 *
 * @param {string | URL | Request | Response | Blob | ReadableStream<Uint8Array>} source
 * @returns {DescribedSource}
 * @throws {SiskinError} `invalid_argument`, `http_status`
 */
export function describeSource(source) {
  const close = () => {};
  if (typeof source === 'string' || source instanceof URL) {
    return { source: { kind: 'url', url: absoluteUrl(source), init: {} }, transfer: [], close };
  }
  if (source instanceof Request) {
    if (source.method !== 'GET') throw new SiskinError('invalid_argument', 'A model is fetched with GET: pass a GET request, or the response to yours.');
    const { credentials, cache, redirect, referrerPolicy } = source;
    const init = { headers: [...source.headers], credentials, cache, redirect, referrerPolicy };
    return { source: { kind: 'url', url: source.url, init }, transfer: [], close };
  }
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
function portStream(port) {
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

/**
 * Opens a model file. Called in the worker.
 *
 * @param {WeightSource} source
 * @returns {Promise<Weights>}
 * @throws {SiskinError} `http_status`, `network`
 */
export async function openWeights(source) {
  if (source.kind === 'blob') return { stream: source.blob.stream(), total_bytes: source.blob.size, from_cache: false, broken: FILE_BROKEN };
  if (source.kind === 'port') return { stream: portStream(source.port), total_bytes: source.total_bytes, from_cache: false, broken: CONNECTION_BROKEN };
  const response = await fetchModel(source.url, source.init);
  if (!response.body) throw new SiskinError('network', 'The server sent an empty answer where a model was expected. Check the address.');
  return { stream: response.body, total_bytes: contentLength(response), from_cache: false, broken: CONNECTION_BROKEN };
}

/**
 * @param {string} url
 * @param {RequestInit} init
 * @returns {Promise<Response>}
 */
async function fetchModel(url, init) {
  let response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    const host = new URL(url).host || 'the address';
    throw new SiskinError('network', `Could not reach ${host}. Check the connection and the address, and that the server allows this page to read from it (CORS).`, { cause });
  }
  checkStatus(response);
  return response;
}

/** @param {Response} response */
function checkStatus(response) {
  if (response.ok) return;
  const what = `${response.status}${response.statusText ? ` ${response.statusText}` : ''}`;
  const advice =
    response.status === 404 ? 'There is no such file: check the address.'
    : response.status === 401 || response.status === 403 ? 'The file may need a login or an accepted licence: download it by hand and open the file.'
    : response.status === 429 ? 'Wait a little and try again.'
    : response.status >= 500 ? 'The trouble is on the server: try again later.'
    : 'Check the address.';
  throw new SiskinError('http_status', `The server answered ${what}. ${advice}`);
}

/**
 * @param {Response} response
 * @returns {number | null}
 */
function contentLength(response) {
  // The length of a compressed answer is not that of the file.
  if (response.headers.get('content-encoding')) return null;
  const length = Number(response.headers.get('content-length'));
  return Number.isSafeInteger(length) && length > 0 ? length : null;
}

/**
 * Reads the whole stream, giving each chunk to `push` before it reads the next.
 *
 * @param {Weights} weights
 * @param {(bytes: Uint8Array) => void} push what it throws ends the reading and is passed on
 * @param {(progress: LoadProgress) => void} onProgress about ten times a second, and once at the end
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 * @throws {SiskinError} `network`, `aborted`
 */
export async function pumpWeights(weights, push, onProgress, signal) {
  const { stream, from_cache } = weights;
  let { total_bytes } = weights;
  const reader = stream.getReader();
  const meter = new SpeedMeter(performance.now());
  let loaded_bytes = 0;
  let reported_ms = 0;
  const report = (/** @type {number} */ now_ms) => {
    reported_ms = now_ms;
    onProgress({ loaded_bytes, total_bytes, bytes_per_second: meter.bytesPerSecond(now_ms, loaded_bytes), from_cache });
  };
  try {
    report(performance.now());
    for (;;) {
      throwIfAborted(signal);
      const { done, value } = await readChunk(reader, weights.broken);
      if (done) break;
      push(value);
      loaded_bytes += value.byteLength;
      if (total_bytes !== null && loaded_bytes > total_bytes) total_bytes = null;
      const now_ms = performance.now();
      if (now_ms - reported_ms >= PROGRESS_INTERVAL_MS) report(now_ms);
    }
    report(performance.now());
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  }
  if (total_bytes !== null && loaded_bytes < total_bytes) {
    throw new SiskinError('network', `The connection ended after ${loaded_bytes} of ${total_bytes} bytes. Try again.`);
  }
}

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @param {string} broken
 */
async function readChunk(reader, broken) {
  try {
    return await reader.read();
  } catch (cause) {
    if (cause instanceof SiskinError) throw cause;
    throw new SiskinError('network', broken, { cause });
  }
}

/** Bytes per second over the last few seconds, so that the figure follows a connection that slows down. */
class SpeedMeter {
  /** @param {number} start_ms */
  constructor(start_ms) {
    /** @type {{ms: number, bytes: number}[]} */
    this.samples = [{ ms: start_ms, bytes: 0 }];
  }

  /**
   * @param {number} now_ms
   * @param {number} loaded_bytes
   * @returns {number}
   */
  bytesPerSecond(now_ms, loaded_bytes) {
    this.samples.push({ ms: now_ms, bytes: loaded_bytes });
    while (this.samples.length > 2 && now_ms - this.samples[1].ms > SPEED_WINDOW_MS) this.samples.shift();
    const oldest = this.samples[0];
    const elapsed_ms = now_ms - oldest.ms;
    return elapsed_ms > 0 ? ((loaded_bytes - oldest.bytes) * 1000) / elapsed_ms : 0;
  }
}
