/**
 * This module starts the engines of this page. Those who load the same model with the same options
 * share one, until the last of them lets go of it.
 */
import { SiskinError, abortedError } from '../errors.js';
import { isA } from '../model/source.js';
import { recallGpus } from './gpu_verdicts.js';
import { usableThreads } from './wasm_build.js';
import { WorkerClient } from './worker_client.js';

/** @import { EngineOptions } from '../load_options.js' */
/** @import { WorkerPlace } from '../parts.js' */
/** @import { LoadProgress, ModelInfo } from '../protocol.js' */
/** @import { DescribedSource } from '../model/source.js' */
/** @import { EngineClient } from './engine_client.js' */

/**
 * A `LoadedModel` is a model that is ready, with a client of its engine.
 *
 * @typedef {object} LoadedModel
 * @property {Client} client
 * @property {Readonly<ModelInfo>} info
 */

/**
 * A `Client` calls an engine: an `EngineClient`, or one that finds another engine where its own is
 * gone.
 *
 * @typedef {Pick<EngineClient, 'call' | 'send' | 'closeWhenIdle' | 'onBackendChanged'>} Client
 */

/**
 * A `ModelHandle` is one caller's hold on a model, whether it is loaded or still loading.
 *
 * @typedef {object} ModelHandle
 * @property {Client} client
 * @property {Promise<LoadedModel>} loading
 * @property {() => Promise<void>} end lets go of it; resolves when what nobody holds is gone
 */

/**
 * @typedef {object} WaitOptions
 * @property {(progress: LoadProgress) => void} [onProgress]
 * @property {AbortSignal | undefined} [signal]
 */

/**
 * `PlacedOptions` are those of the engine, and where its worker is.
 *
 * @typedef {EngineOptions & {place: WorkerPlace}} PlacedOptions
 */

/**
 * These engines are running or starting, by what they were asked for.
 *
 * @type {Map<string, PageEngine>}
 */
const engines = new Map();

/** A `Blob` has a number by which it is known again. @type {WeakMap<Blob, number>} */
const blobs = new WeakMap();
let last_blob = 0;

/**
 * @param {DescribedSource} described
 * @param {PlacedOptions} options
 * @returns {string | undefined} undefined for a stream, which can be read only once, and for a
 *   worker that the page starts itself
 */
export function engineKey({ source }, { place, ...options }) {
  if (source.kind === 'port' || place.worker) return undefined;
  // Another signed address of a file names the same file.
  return JSON.stringify([source, options, place.worker_url], (name, value) => {
    if (/^(url|init|hint|evict)$/.test(name)) return undefined;
    if (!isA(value, 'Blob') && !isA(value, 'File')) return value;
    const number = blobs.get(value) ?? ++last_blob;
    blobs.set(value, number);
    return number;
  });
}

/**
 * Takes a hold on the engine of a model, which is started unless it runs already.
 *
 * @param {DescribedSource} described
 * @param {PlacedOptions} options
 * @param {WaitOptions} wait
 * @returns {ModelHandle}
 * @throws {SiskinError} `worker_failed`
 */
export function openEngine(described, options, wait) {
  const key = engineKey(described, options);
  const engine = (key && engines.get(key)) || new PageEngine(described, options, key);
  if (key !== undefined) engines.set(key, engine);
  return engine.hold(wait);
}

/**
 * Waits until the engine of a client has its model.
 *
 * @param {Client} client
 * @param {WaitOptions} wait
 * @returns {Promise<LoadedModel>}
 */
export async function waitForModel(client, { onProgress, signal }) {
  const { result } = client.call(
    { type: 'info' },
    {
      signal,
      onMessage: (message) => {
        if (message.type === 'progress') onProgress?.(message.value);
      },
    },
  );
  const model = { client, info: Object.freeze(await result) };
  client.onBackendChanged = (info) => (model.info = Object.freeze(info));
  return model;
}

/** A `PageEngine` is one worker of this page with its model, and counts who holds it. */
export class PageEngine {
  #key;
  #worker;
  #holders = 0;
  #loading;

  /**
   * @param {DescribedSource} described
   * @param {PlacedOptions} options
   * @param {string | undefined} [key] by which later loads find it
   * @throws {SiskinError} `worker_failed`
   */
  constructor(described, { place, ...options }, key) {
    this.#key = key;
    this.#worker = new WorkerClient(place);
    this.#worker.onCrash = () => this.#forget();
    this.#loading = this.#load(described, options);
    this.#loading.catch(() => {
      described.close();
      this.#forget();
    });
  }

  /** Serves the end of a channel in the worker. @param {string} name */
  serveChannel(name) {
    this.#worker.serveChannel(name);
  }

  /**
   * @param {WaitOptions} wait
   * @returns {ModelHandle & {client: EngineClient, end: (at_once?: boolean) => Promise<void>}}
   */
  hold(wait) {
    this.#holders += 1;
    const client = this.#worker.connect();
    /** @type {Promise<void> | undefined} */
    let ended;
    const end = (at_once = false) =>
      (ended ??= (async () => {
        client.close(abortedError(), unloadedError());
        this.#holders -= 1;
        if (this.#holders > 0) return;
        this.#forget();
        await this.#worker.end(at_once);
      })());
    void client.gone.then(() => end());
    const load = async () => {
      const [model] = await Promise.all([waitForModel(client, wait), this.#loading]);
      return model;
    };
    return { client, loading: load(), end };
  }

  /**
   * @param {DescribedSource} described
   * @param {EngineOptions} options
   */
  async #load({ source, transfer }, options) {
    const { threads, cache_type, backend } = options;
    const subject = { source, threads: usableThreads(threads), cache_type };
    const known_gpus = recallGpus(subject);
    const message = { type: /** @type {const} */ ('load'), source, ...options, known_gpus };
    const info = await this.#worker.load(message, { transfer });
    if (info.adapter === undefined) return;
    try {
      const { rememberGpu } = await import('./calls.js');
      rememberGpu(subject, info, backend);
    } catch {
      // The card is tested again at the next visit.
    }
  }

  /** The next load starts another engine. */
  #forget() {
    if (this.#key !== undefined && engines.get(this.#key) === this) engines.delete(this.#key);
  }
}

export function unloadedError() {
  return new SiskinError('not_loaded', 'The model was unloaded. Load it again with Siskin.load.');
}
