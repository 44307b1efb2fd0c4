/** This module owns a worker with an engine: it starts it, connects clients to it, and ends it. */
import { SiskinError, abortedError, messageOf } from '../errors.js';
import { startWorker } from '../parts.js';
import { EngineClient, crashError } from './engine_client.js';

/** @import { WorkerPlace } from '../parts.js' */
/** @import { CheckMessage, CheckResult, LoadMessage, ModelInfo } from '../protocol.js' */
/** @import { CallOptions } from './engine_client.js' */

/** A worker has this long to end by itself; one that is stuck is then terminated. */
const UNLOAD_MS = 2000;

/** A `WorkerClient` owns one worker with one model. */
export class WorkerClient {
  #worker;
  /** `#main` loads and unloads; the answers have ports of their own. */
  #main;
  /** @type {Set<EngineClient>} */
  #clients = new Set();
  /** @type {Promise<void> | undefined} */
  #end;

  /**
   * This callback runs when the worker crashes.
   *
   * @type {(error: SiskinError) => void}
   */
  onCrash = () => {};

  /**
   * @param {WorkerPlace} [place]
   * @throws {SiskinError} `worker_failed`
   */
  constructor(place) {
    let worker, url;
    try {
      ({ worker, url } = startWorker(place));
    } catch (cause) {
      throw new SiskinError(
        'worker_failed',
        `The worker could not be started: ${messageOf(cause)}. Allow it in worker-src; where ` +
          'Siskin was bundled into a script that is no module, give workerUrl.',
        { cause },
      );
    }
    this.#worker = worker;
    this.#main = new EngineClient(worker, { same_build: true });
    void this.#main.gone.then((error) => this.#crash(error));
    worker.onerror = (event) => {
      event.preventDefault();
      const { message } = event;
      const is_old = this.#main.is_greeted || message;
      this.#main.fail(is_old ? crashError(message || 'it gave no reason') : notLoadedError(url));
    };
  }

  /**
   * @param {Omit<LoadMessage, 'id'>} message
   * @param {CallOptions} options
   * @returns {Promise<ModelInfo>}
   */
  load(message, options) {
    return this.#main.call(message, options).result;
  }

  /**
   * @param {Omit<CheckMessage, 'id'>} message
   * @param {CallOptions} options
   * @returns {Promise<CheckResult>}
   */
  check(message, options) {
    return this.#main.call(message, options).result;
  }

  /** Returns a client of the engine, on a port of its own. */
  connect() {
    const { port1, port2 } = new MessageChannel();
    const client = new EngineClient(port1);
    this.#clients.add(client);
    void client.gone.then(() => this.#clients.delete(client));
    this.serve(port2);
    return client;
  }

  /** Gives the engine a client's port. @param {MessagePort} port */
  serve(port) {
    this.#main.send({ type: 'serve', port }, [port]);
  }

  /** Serves the end of a channel in the worker. @param {string} name */
  serveChannel(name) {
    this.#main.send({ type: 'serve_channel', name });
  }

  /**
   * Ends the worker. Open calls reject with `aborted`.
   *
   * @param {boolean} [at_once] whether it may not free its memory itself: the page is going away
   * @returns {Promise<void>} resolves when the worker is gone, and its memory with it
   */
  end(at_once = false) {
    return (this.#end ??= new Promise((resolve) => {
      const terminate = () => {
        this.#worker.terminate();
        clearTimeout(timer);
        const later = new SiskinError('not_loaded', 'The model was unloaded.');
        this.#main.close(abortedError(), later);
        resolve();
      };
      const timer = setTimeout(terminate, UNLOAD_MS);
      // A worker that never said hello has nothing to free.
      if (at_once || !this.#main.is_greeted) return terminate();
      // After a crash the client is closed, and the worker may still be able to end its threads.
      this.#worker.addEventListener('message', ({ data }) => {
        if (data?.type === 'unloaded') terminate();
      });
      this.#worker.postMessage({ type: 'unload' });
    }));
  }

  /** @param {SiskinError} error */
  #crash(error) {
    if (this.#end) return;
    for (const client of this.#clients) client.fail(error);
    this.onCrash(error);
    void this.end();
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
