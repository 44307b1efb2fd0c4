/**
 * This module reaches the engine of the extension from its pages and content scripts. The engine's
 * document and the background worker may go at any moment: open calls are made again with the next
 * engine, and answers go on where they were.
 */
import { EngineClient } from '../lib/engine/engine_client.js';
import { LastingClient } from '../lib/engine/lasting_client.js';
import { SiskinError, abortedError, messageOf } from '../lib/errors.js';
import { Siskin } from '../lib/siskin.js';
import { ENGINE_PORT, askWorker } from './messages.js';

/** @import { CallMessage, CallOptions } from '../lib/engine/engine_client.js' */
/** @import { EngineStatus } from './messages.js' */

/** So many engines may be lost in a row, without a word from any, until the calls are given up. */
const MAX_LOSSES = 4;
/** The first pause before another engine is made. Each further one is twice as long. */
const PAUSE_MS = 100;

/** An `ExtensionEngine` is a way to the engine that lasts. */
export class ExtensionEngine {
  #onStatus;
  /** @type {Session | undefined} */
  #session;

  /** @param {{onStatus?: (status: EngineStatus) => void}} [options] */
  constructor({ onStatus = () => {} } = {}) {
    this.#onStatus = onStatus;
  }

  /** The model, as from `Siskin.connect`. Its calls wait until it is loaded. */
  get siskin() {
    if (!this.#session || this.#session.is_over) this.#session = new Session(this.#onStatus);
    return this.#session.siskin;
  }

  /** Loads the model, if it is not. Resolves when it is there. */
  get ready() {
    return this.siskin.ready;
  }

  /** Leaves the engine. */
  close() {
    this.#session?.end(abortedError());
    this.#session = undefined;
  }
}

/** A `Session` lasts until the model fails to load, or is let go of. */
class Session {
  #onStatus;
  #client = new LastingClient();
  /** @type {EngineClient | undefined} */
  #engine;
  #is_opening = false;
  #losses = 0;
  is_over = false;

  /** @param {(status: EngineStatus) => void} onStatus */
  constructor(onStatus) {
    this.#onStatus = onStatus;
    const client = this.#client;
    /** @type {any} */
    const opening = {
      call: (/** @type {CallMessage} */ message, /** @type {CallOptions} */ options) => {
        const call = client.call(message, options);
        void this.#open();
        return call;
      },
      send: () => client.send(),
      closeWhenIdle: () => client.closeWhenIdle(),
    };
    const load = async () => {
      const info = await opening.call({ type: 'info' }).result;
      const model = { client: opening, info: Object.freeze(info) };
      client.onBackendChanged = (more) => (model.info = Object.freeze({ ...model.info, ...more }));
      return model;
    };
    this.siskin = new Siskin({
      client: opening,
      loading: load(),
      end: async () => this.end(abortedError()),
    });
  }

  /** @param {SiskinError} error of open and later calls */
  end(error) {
    if (this.is_over) return;
    this.is_over = true;
    this.#client.close(error, error);
    this.#engine?.close(error, error);
  }

  /** Connects to the engine, unless that is so. */
  async #open() {
    if (this.is_over || this.#engine || this.#is_opening) return;
    this.#is_opening = true;
    try {
      await askWorker({ type: 'engine' });
      if (this.is_over) return;
      this.#attach(chrome.runtime.connect({ name: ENGINE_PORT }));
    } catch (error) {
      // A content script that outlives its extension's update reaches nobody any more.
      if (!chrome.runtime?.id) return this.end(updatedError());
      this.#lose(messageOf(error));
    } finally {
      this.#is_opening = false;
    }
  }

  /** @param {any} port */
  #attach(port) {
    const engine = new EngineClient({
      postMessage: (/** @type {object} */ message) => port.postMessage(message),
      disconnect: () => port.disconnect(),
      onDisconnect: port.onDisconnect,
      onMessage: {
        addListener: (listener) =>
          port.onMessage.addListener((/** @type {any} */ message) => {
            if (message?.type === 'status') return this.#hear(message);
            if (message?.type === 'event' || message?.type === 'done') this.#losses = 0;
            listener(message);
          }),
      },
    });
    this.#engine = engine;
    this.#client.attach(engine);
    void engine.gone.then((error) => {
      if (this.#engine !== engine) return;
      this.#engine = undefined;
      this.#client.detach();
      if (error.code === 'version_mismatch') this.end(error);
      else if (this.#client.is_busy) this.#lose(error.message);
    });
  }

  /** @param {EngineStatus} status */
  #hear(status) {
    if (status.state === 'failed')
      this.end(new SiskinError(/** @type {any} */ (status.code), status.message));
    this.#onStatus(status);
  }

  /** Tries again after a while, or gives up. @param {string} why */
  #lose(why) {
    this.#losses += 1;
    if (this.#losses > MAX_LOSSES)
      return this.end(
        new SiskinError('engine_gone', `The engine stopped several times (${why}). Try again.`),
      );
    setTimeout(() => void this.#open(), PAUSE_MS * 2 ** this.#losses);
  }
}

function updatedError() {
  return new SiskinError('engine_gone', 'Siskin was updated. Reload this page.');
}
