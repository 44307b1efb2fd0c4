/** This module holds the class that an application uses. */
import { Completions } from './chat/completions.js';
import { SiskinError, abortedError, throwIfAborted } from './errors.js';
import { askLocally } from './chat/local_answer.js';
import { readSignal } from './chat/request.js';
import { readLoadOptions } from './load_options.js';
import { forgetGpus, recallGpus, rememberGpu } from './engine/gpu_verdicts.js';
import { usableThreads } from './engine/wasm_build.js';
import { WorkerClient } from './engine/worker_client.js';
import { describeSource } from './model/source.js';
import { requestPersistence } from './storage/persistence.js';

export { SiskinError } from './errors.js';
export { models, offline } from './lazy.js';

/** @import { Fallback, FallbackOptions } from './chat/fallback.js' */
/** @import { EngineOptions, LoadOptions } from './load_options.js' */
/** @import { ChatRequest, LoadProgress, ModelInfo, Score } from './protocol.js' */
/** @import { DescribedSource } from './model/source.js' */
/** @import { WorkerPlace } from './parts.js' */

/**
 * `LoadedModel` is a model that is ready, with its worker.
 *
 * @typedef {{client: WorkerClient, info: Readonly<ModelInfo>}} LoadedModel
 */

/**
 * A `ModelSource` is what `Siskin.load` takes; a `File` is a `Blob`.
 *
 * @typedef {string | URL | Request | Response | Blob | ReadableStream<Uint8Array>} ModelSource
 */

/**
 * A `Siskin` is a loaded model in a worker of its own.
 *
 * ```js
 * const siskin = await Siskin.load('/models/qwen2.5-0.5b-instruct-q4_k_m.gguf');
 * const messages = [{ role: 'user', content: 'Hello' }];
 * const chunks = await siskin.chat.completions.create({ messages, stream: true });
 * for await (const chunk of chunks) output.append(chunk.choices[0].delta.content);
 * ```
 */
export class Siskin {
  /** @type {LoadedModel | undefined} */
  #model;
  #loading;
  #fallback;
  #end;
  #unloaded = false;

  /**
   * Applications use `Siskin.load` instead of the constructor.
   *
   * @param {{loading: Promise<LoadedModel>, end: () => void}} model
   * @param {Fallback} [fallback]
   */
  constructor({ loading, end }, fallback) {
    this.#loading = loading;
    this.#fallback = fallback;
    this.#end = end;
    /**
     * `ready` resolves when the model is loaded, and rejects with the error of the loading. Only
     * callers with `fallback` need it: without that, `load` waits for it.
     */
    this.ready = loading.then((model) => {
      this.#model = model;
    });
    this.ready.catch(() => {});
    this.chat = Object.freeze({
      completions: new Completions((request, signal) => this.#ask(request, signal)),
    });
  }

  /**
   * Tells what was loaded and where it runs.
   *
   * @throws {SiskinError} `not_loaded` before `ready`
   */
  get info() {
    if (this.#model) return this.#model.info;
    throw new SiskinError('not_loaded', 'The model is not loaded yet. Wait for siskin.ready.');
  }

  /**
   * Loads a GGUF model. A model at a URL is stored on the device, and fetched only once.
   *
   * @param {ModelSource} source
   * @param {LoadOptions} [options]
   * @returns {Promise<Siskin>} when the model is loaded; with `fallback`, at once
   * @throws {SiskinError} `unsupported`, `version_mismatch`, `http_status`, `network`,
   *   `file_changed`, `integrity`, `manifest`, `storage_full`, `aborted`, `template` for `chatTemplate`, `worker_failed`, `wasm_failed`,
   *   `no_simd`, `invalid_argument`, `out_of_memory`, and what may be wrong with the file:
   *   `html_not_model`, `not_gguf`, `gguf_truncated`, `architecture`, `tensor_type` ...
   */
  static async load(source, options = {}) {
    if (!globalThis.Worker || !globalThis.location) throw unsupportedError();
    const {
      onProgress,
      signal,
      engine,
      store,
      fallback: fallback_options,
      place,
    } = readLoadOptions(options);
    throwIfAborted(signal);
    const fallback = await openFallback(fallback_options);
    const described = describeSource(source, store);
    if (fallback?.until === 'never') {
      described.close();
      return new Siskin({ loading: Promise.reject(neverLoadedError()), end() {} }, fallback);
    }
    if (store.persist) void requestPersistence();
    fallback?.watch(described.source);
    const model = startModel(described, { ...engine, signal, place }, (progress) => {
      fallback?.progress(progress);
      onProgress?.(progress);
    });
    const siskin = new Siskin(model, fallback);
    if (!fallback) await siskin.ready;
    return siskin;
  }

  /**
   * Forgets which graphics cards were refused, and which of their features were wrong. The next
   * load tests the card again, as after a new driver.
   */
  static forgetGpu() {
    forgetGpus();
  }

  /**
   * @param {ChatRequest} request
   * @param {AbortSignal | undefined} signal
   */
  async #ask(request, signal) {
    if (this.#unloaded) throw unloadedError();
    if (!this.#model && (await this.#fallback?.handles(request)) && !this.#model)
      return /** @type {Fallback} */ (this.#fallback).ask(request, signal);
    const { client, info } = this.#model ?? (await orAborted(this.#loading, signal));
    return askLocally(client, info)(request, signal);
  }

  /** @returns {Promise<WorkerClient>} */
  async #client() {
    if (this.#unloaded) throw unloadedError();
    return (this.#model ?? (await this.#loading)).client;
  }

  /**
   * Returns the token ids of a text. No BOS or EOS is added.
   *
   * @param {string} text
   * @param {{special?: boolean}} [options] with `special: true`, text such as `<|im_end|>` becomes
   *   the control token that it names
   * @returns {Promise<Uint32Array>}
   */
  async tokenize(text, { special = false } = {}) {
    if (typeof text !== 'string')
      throw new SiskinError('invalid_argument', 'tokenize takes a string.');
    return (await this.#client()).call({ type: 'tokenize', text, special: Boolean(special) })
      .result;
  }

  /**
   * Returns the text of token ids. Control tokens are written as their text.
   *
   * @param {Iterable<number>} ids
   * @returns {Promise<string>}
   */
  async detokenize(ids) {
    return (await this.#client()).call({ type: 'detokenize', ids: tokenIds('detokenize', ids) })
      .result;
  }

  /**
   * Computes how likely the model finds a text, for ranking candidates or classifying without
   * generating. The call takes as long as a prefill of the text.
   *
   * @param {Iterable<number>} ids of `tokenize`
   * @param {{signal?: AbortSignal | null}} [options] `signal` ends the score: also one that is
   *   being computed, within about 100 ms
   * @returns {Promise<Score>}
   * @throws {SiskinError} `invalid_argument`, `context_full`, `aborted`, `not_loaded`
   */
  async score(ids, options = {}) {
    const signal = readSignal(options?.signal);
    const message = { type: /** @type {const} */ ('score'), ids: tokenIds('score', ids) };
    return (await orAborted(this.#client(), signal)).call(message, { signal }).result;
  }

  /**
   * Returns how much memory the engine has taken. WebAssembly memory never shrinks, so this is also
   * its peak.
   *
   * @returns {Promise<number>} bytes
   */
  async memoryBytes() {
    return (await this.#client()).call({ type: 'memory' }).result;
  }

  /**
   * Frees the model and its worker. Answers in progress fail with `aborted`, later calls with
   * `not_loaded`.
   *
   * @returns {Promise<void>}
   */
  async unload() {
    this.#unloaded = true;
    this.#end();
  }
}

/**
 * @param {FallbackOptions | undefined} options
 * @returns {Promise<Fallback | undefined>}
 */
async function openFallback(options) {
  if (options === undefined) return undefined;
  const { Fallback } = await import('./chat/fallback.js');
  return new Fallback(options);
}

/**
 * @param {DescribedSource} described
 * @param {EngineOptions & {signal?: AbortSignal, place: WorkerPlace}} options
 * @param {(progress: LoadProgress) => void} onProgress
 * @returns {{loading: Promise<LoadedModel>, end: () => void}} `end` frees the model, whether it is
 *   loaded or still loading
 */
function startModel(described, { signal, place, ...options }, onProgress) {
  /** @type {WorkerClient | undefined} */
  let client;
  const { threads, cache_type, backend } = options;
  const subject = { source: described.source, threads: usableThreads(threads), cache_type };
  const end = () => client?.end(abortedError(), unloadedError());
  const load = async () => {
    try {
      client = new WorkerClient(place);
      const { result } = client.call(
        {
          type: 'load',
          source: described.source,
          ...options,
          known_gpus: recallGpus(subject),
        },
        {
          signal,
          transfer: described.transfer,
          onMessage: (message) => {
            if (message.type === 'progress') onProgress(message.value);
          },
        },
      );
      const info = await result;
      rememberGpu(subject, info, backend);
      const model = { client, info: Object.freeze(info) };
      client.onBackendChanged = (info) => (model.info = Object.freeze(info));
      return model;
    } catch (error) {
      described.close();
      end();
      throw error;
    }
  };
  return { loading: load(), end };
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<T>}
 */
async function orAborted(promise, signal) {
  /** @type {() => void} */
  let abort = () => {};
  const aborted = new Promise((_, reject) => (abort = () => reject(abortedError())));
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return /** @type {T} */ (await Promise.race([aborted, promise]));
  } finally {
    signal?.removeEventListener('abort', abort);
  }
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

function unsupportedError() {
  return new SiskinError(
    'unsupported',
    'Siskin runs in browsers: load the model in a page or in a dedicated worker. Node, server ' +
      'components and service workers cannot start its engine.',
  );
}

function neverLoadedError() {
  return new SiskinError('not_loaded', "There is no model in this tab: fallback.until is 'never'.");
}

function unloadedError() {
  return new SiskinError('not_loaded', 'The model was unloaded. Load it again with Siskin.load.');
}
