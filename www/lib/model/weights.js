/**
 * This module opens a model's bytes and pushes them into the engine. Only this file and those that
 * it uses (`source`, `model_file`, `download`, `http`, `storage`) access the network and the
 * storage of weights; page, worker and service worker share them.
 */
import { SiskinError, codeOf, throwIfAborted } from '../errors.js';
import { isManifest } from './manifest.js';
import { openModel } from './open_model.js';
import { Meter } from './progress.js';
import { CONNECTION_BROKEN } from './request.js';
import { portStream } from './stream.js';
import { findShared } from '../storage/cross_origin.js';
import { yieldToMessages } from './yield_to_messages.js';

/** @import { Model } from './open_model.js' */
/** @import { LoadProgress, ModelInfo, UrlSource, WeightSource } from '../protocol.js' */

/**
 * @typedef {object} Weights
 * @property {AsyncIterable<Uint8Array>} chunks in file order
 * @property {(given_bytes: number) => LoadProgress} progress
 * @property {(why: unknown) => Promise<void>} discard what was kept of a file that is no model
 * @property {() => void} close
 */

/**
 * A `Sink` takes the bytes, and makes something of them in the end.
 *
 * @template [Result=ModelInfo]
 * @typedef {{push: (bytes: Uint8Array) => void, finish: () => Result | Promise<Result>}} Sink
 */

const FILE_BROKEN =
  'The file could not be read to its end. Check that it was not moved or changed, and open ' +
  'it again.';

const PROGRESS_INTERVAL_MS = 100;
/**
 * The engine copies what it is given, so the bytes are pushed in pieces to keep the copy small.
 */
const PUSH_BYTES = 1 << 20;
/** Errors of the engine with these codes say nothing about the file. */
const NOT_THE_FILE = /^(out_of_memory|invalid_argument|not_loaded|busy|aborted|gpu_.*)$/;

/**
 * Opens a model file and starts to fetch it. Runs in the worker.
 *
 * @param {WeightSource} source
 * @param {(progress: LoadProgress) => void} onProgress called once, before anything has arrived
 * @param {AbortSignal} [signal]
 * @returns {Promise<Weights>}
 */
export async function openWeights(source, onProgress, signal) {
  const weights = await openSource(source, signal);
  onProgress(weights.progress(0));
  return weights;
}

/**
 * @param {WeightSource} source
 * @param {AbortSignal} [signal]
 * @returns {Promise<Weights>}
 */
async function openSource(source, signal) {
  if (source.kind === 'blob')
    return streamWeights(source.blob.stream(), source.blob.size, FILE_BROKEN);
  if (source.kind === 'port')
    return streamWeights(portStream(source.port), source.total_bytes, CONNECTION_BROKEN);
  // Only files from a server are stored.
  const kept = /^https?:/.test(source.url)
    ? source
    : { ...source, storage: /** @type {const} */ ('memory') };
  const file = await openModel(kept, signal);
  const { from_cache } = file;
  const shared = await findSharedModel(file, source);
  if (shared) return streamWeights(shared.stream(), shared.size, FILE_BROKEN, true);
  const meter = new Meter(from_cache ? 0 : file.arrived_bytes);
  file.start();
  return {
    chunks: file.chunks(),
    progress: (given_bytes) => ({
      ...meter.measure({
        loaded_bytes: from_cache ? given_bytes : file.arrived_bytes,
        total_bytes: file.total_bytes,
      }),
      from_cache,
    }),
    discard: (why) => file.discard(why),
    close: () => file.close(),
  };
}

/**
 * Returns a model that another site has stored, if this one has not stored it itself.
 *
 * @param {Model} file is closed if there is one
 * @param {UrlSource} source
 */
async function findSharedModel(file, { sha256, url }) {
  if (file.from_cache || sha256 === undefined || isManifest(url)) return undefined;
  const shared = await findShared(sha256);
  if (shared) file.close();
  return shared;
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number | null} total_bytes
 * @param {string} broken what to say when it breaks off
 * @param {boolean} [from_cache]
 * @returns {Weights}
 */
function streamWeights(stream, total_bytes, broken, from_cache = false) {
  const reader = stream.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  async function* chunks() {
    let given_bytes = 0;
    for (;;) {
      const { done, value } = await readChunk(reader, broken);
      if (done) break;
      given_bytes += value.byteLength;
      yield value;
    }
    if (total_bytes !== null && given_bytes < total_bytes) {
      throw new SiskinError(
        'network',
        `The connection ended after ${given_bytes} of ${total_bytes} bytes. Try again.`,
      );
    }
  }
  const meter = new Meter(0);
  const progress = (/** @type {number} */ loaded_bytes) => ({
    ...meter.measure({
      loaded_bytes,
      total_bytes: total_bytes !== null && loaded_bytes > total_bytes ? null : total_bytes,
    }),
    from_cache,
  });
  return { chunks: chunks(), progress, discard: async () => {}, close: cancel };
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

/**
 * Pushes all bytes into `sink`, each chunk before the next is asked for.
 *
 * @template Result
 * @param {Weights} weights closed at the end
 * @param {Sink<Result>} sink what it throws ends the reading and is passed on
 * @param {(progress: LoadProgress) => void} onProgress about ten times a second, and once at the
 *   end
 * @param {AbortSignal} [signal]
 * @returns {Promise<Result>} what `sink` gave in the end
 * @throws {SiskinError} `network`, `http_status`, `file_changed`, `integrity`, `manifest`,
 *   `storage_full`, `storage_failed`, `aborted`
 */
export async function pumpWeights(weights, sink, onProgress, signal) {
  let given_bytes = 0;
  let reported_ms = 0;
  const report = () => {
    reported_ms = performance.now();
    onProgress(weights.progress(given_bytes));
  };
  // Progress is reported from here and from the timer: timers do not fire while the engine takes
  // one piece after the other, and no pieces arrive while the network is slow.
  const reportIfDue = () => performance.now() - reported_ms >= PROGRESS_INTERVAL_MS && report();
  const timer = setInterval(reportIfDue, PROGRESS_INTERVAL_MS);
  try {
    for await (const chunk of weights.chunks) {
      for (let at = 0; at < chunk.length; at += PUSH_BYTES) {
        throwIfAborted(signal);
        const bytes = chunk.subarray(at, at + PUSH_BYTES);
        await takeOrDiscard(weights, () => sink.push(bytes));
        given_bytes += bytes.length;
        reportIfDue();
        // The next chunks are read and hashed meanwhile, which only continues when messages are
        // received.
        await yieldToMessages();
      }
    }
    report();
    return await takeOrDiscard(weights, () => sink.finish());
  } finally {
    clearInterval(timer);
    weights.close();
  }
}

/**
 * @template T
 * @param {Weights} weights
 * @param {() => T | Promise<T>} take
 */
async function takeOrDiscard(weights, take) {
  try {
    return await take();
  } catch (error) {
    const code = codeOf(error);
    // A file that is no model would fail at the next visit again, although a better one may be at
    // the URL by then.
    if (code !== undefined && !NOT_THE_FILE.test(code))
      await weights.discard(error).catch(() => {});
    throw error;
  }
}
