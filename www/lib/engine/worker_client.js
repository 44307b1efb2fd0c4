/**
 * This module is the page's end of the worker: it matches results to calls by id, and turns every
 * failure into a SiskinError.
 */
import { SiskinError, abortedError, messageOf, throwIfAborted } from '../errors.js';
import { startWorker } from '../parts.js';

/** @import { WorkerPlace } from '../parts.js' */
/** @import { ModelInfo, PageMessage, WorkerMessage } from '../protocol.js' */

/**
 * A `WithoutId` is a `PageMessage` whose id the client fills in.
 *
 * @template T
 * @typedef {T extends {id: number} ? Omit<T, 'id'> : never} WithoutId
 */

/**
 * An `OpenCall` is a call that has not ended.
 *
 * @typedef {object} OpenCall
 * @property {(value: any) => void} resolve
 * @property {(error: SiskinError) => void} reject
 * @property {(message: WorkerMessage) => void} [onMessage]
 */

/**
 * @typedef {object} CallOptions
 * @property {AbortSignal | undefined} [signal]
 * @property {Transferable[]} [transfer]
 * @property {(message: WorkerMessage) => void} [onMessage] what comes before the end of the call
 */

/**
 * @typedef {object} Call
 * @property {Promise<any>} result
 * @property {() => void} cancel stops the call; `result` rejects with `aborted`
 */

/** A worker has this long to end by itself; one that is stuck is then terminated. */
const UNLOAD_MS = 2000;

/** A `WorkerClient` owns one worker with one model. */
export class WorkerClient {
  /** @type {Worker} */
  #worker;
  /** Where the worker's script is. */
  #url;
  /** Whether the worker has ever sent a message. */
  #spoke = false;
  /** @type {Map<number, OpenCall>} */
  #calls = new Map();
  #last_id = 0;
  /** `#ended` is set once the worker is gone. @type {SiskinError | undefined} */
  #ended;

  /**
   * This callback runs when the engine continues on another backend.
   *
   * @type {(info: ModelInfo) => void}
   */
  onBackendChanged = () => {};

  /**
   * @param {WorkerPlace} [place]
   * @throws {SiskinError} `worker_failed`
   */
  constructor(place) {
    try {
      ({ worker: this.#worker, url: this.#url } = startWorker(place));
    } catch (cause) {
      throw new SiskinError(
        'worker_failed',
        `The worker could not be started: ${messageOf(cause)}. Allow it in worker-src; where ` +
          'Siskin was bundled into a script that is no module, give workerUrl.',
        { cause },
      );
    }
    this.#worker.onmessage = ({ data }) => {
      this.#spoke = true;
      this.#receive(data);
    };
    this.#worker.onmessageerror = () => this.#crash('a message could not be read');
    this.#worker.onerror = (event) => {
      event.preventDefault();
      if (this.#spoke || event.message) this.#crash(event.message || 'it gave no reason');
      else this.#end(notLoadedError(this.#url));
    };
  }

  /**
   * @param {WithoutId<PageMessage>} message
   * @param {CallOptions} [options]
   * @returns {Call}
   */
  call(message, { signal, transfer = [], onMessage } = {}) {
    if (this.#ended) throw this.#ended;
    throwIfAborted(signal);
    const id = ++this.#last_id;
    try {
      this.#worker.postMessage({ ...message, id }, transfer);
    } catch (cause) {
      throw new SiskinError(
        'invalid_argument',
        `The request holds something that cannot be sent to the worker: ${messageOf(cause)}`,
        { cause },
      );
    }
    const cancel = () => {
      const call = this.#calls.get(id);
      if (!call) return;
      this.#calls.delete(id);
      if (!this.#ended) this.#post({ type: 'stop', id });
      call.reject(abortedError());
    };
    const result = new Promise((resolve, reject) =>
      this.#calls.set(id, { resolve, reject, onMessage }),
    );
    signal?.addEventListener('abort', cancel, { once: true });
    const forget = () => signal?.removeEventListener('abort', cancel);
    result.then(forget, forget);
    return { result, cancel };
  }

  /**
   * Ends the worker and frees its memory. Open calls reject with `open`, later ones throw `later`.
   *
   * @param {SiskinError} open
   * @param {SiskinError} later
   */
  end(open, later) {
    if (this.#ended) return;
    this.#ended = later;
    this.#post({ type: 'unload', id: 0 });
    setTimeout(() => this.#worker.terminate(), UNLOAD_MS);
    for (const call of this.#calls.values()) call.reject(open);
    this.#calls.clear();
  }

  /** @param {PageMessage} message */
  #post(message) {
    this.#worker.postMessage(message);
  }

  /** @param {string} why */
  #crash(why) {
    this.#end(
      new SiskinError(
        'worker_failed',
        `The engine crashed (${why}). Load the model again; if that repeats, memory may be ` +
          'short: close other tabs or take a smaller model.',
      ),
    );
  }

  /** @param {SiskinError} error */
  #end(error) {
    this.end(error, error);
  }

  /** @param {WorkerMessage} message */
  #receive(message) {
    if (message.type === 'unloaded') return this.#worker.terminate();
    if (message.type === 'moved') return this.onBackendChanged(message.value);
    if (message.type === 'crashed') return this.#crash(message.message);
    const call = this.#calls.get(message.id);
    if (!call) return;
    if (message.type === 'done') {
      this.#calls.delete(message.id);
      call.resolve(message.value);
    } else if (message.type === 'failed') {
      this.#calls.delete(message.id);
      call.reject(new SiskinError(message.code, message.message));
    } else {
      call.onMessage?.(message);
    }
  }
}

/** @param {string} url */
function notLoadedError(url) {
  return new SiskinError(
    'worker_failed',
    `The engine's script did not load from ${url}. Serve Siskin's dist folder there or give ` +
      "workerUrl; in Vite's dev server, set optimizeDeps: { exclude: ['siskin'] }.",
  );
}
