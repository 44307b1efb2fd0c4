/**
 * This module is the page's end of the protocol: it matches results to calls by id, and turns every
 * failure into a SiskinError. It knows of a port alone, not of what is behind it.
 */
import { BUILD } from '../build.js';
import {
  SiskinError,
  abortedError,
  codeOf,
  messageOf,
  throwIfAborted,
  versionMismatch,
} from '../errors.js';
import { PROTOCOL } from '../protocol.js';
import { openPort } from './port.js';

/** @import { BackendInfo, PageMessage, WorkerMessage } from '../protocol.js' */
/** @import { Connection, PortLike } from './port.js' */

/**
 * A `WithoutId` is a `PageMessage` whose id the client fills in.
 *
 * @template T
 * @typedef {T extends {id: number} ? Omit<T, 'id'> : never} WithoutId
 */

/** @typedef {WithoutId<PageMessage>} CallMessage */

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
 * @property {(idle: boolean) => void} setIdle tells whether nobody reads the answer
 */

/** An `EngineClient` calls the engine behind a port. */
export class EngineClient {
  /** @type {Connection} */
  #connection;
  #same_build;
  /** @type {Map<number, OpenCall>} */
  #calls = new Map();
  #last_id = 0;
  /**
   * Messages wait here until the engine has said hello: a `BroadcastChannel` that nobody listens to
   * yet forgets them.
   *
   * @type {{message: PageMessage, transfer: Transferable[]}[] | undefined}
   */
  #unsent = [];
  /** `#ended` is set once the port is closed. @type {SiskinError | undefined} */
  #ended;
  #closing = false;

  /**
   * This callback runs when the engine continues on another backend.
   *
   * @type {(backend_info: BackendInfo) => void}
   */
  onBackendChanged = () => {};
  /** @type {(error: SiskinError) => void} */
  #resolveGone = () => {};
  /**
   * `gone` resolves when the engine cannot be reached any more, with the error of later calls.
   *
   * @type {Promise<SiskinError>}
   */
  gone = new Promise((resolve) => (this.#resolveGone = resolve));
  /** This time something came from the engine last, by `performance.now()`. */
  heard_ms = performance.now();

  /**
   * @param {PortLike} port
   * @param {{same_build?: boolean}} [options] `same_build`: the engine must be of this build, not
   *   only of this version of the protocol
   */
  constructor(port, { same_build = false } = {}) {
    this.#same_build = same_build;
    this.#connection = openPort(
      port,
      (message) => this.#receive(message),
      (why) => this.fail(goneError(why)),
    );
  }

  /** Whether a call has not ended. */
  get is_busy() {
    return this.#calls.size > 0;
  }

  /** Whether the engine has said a word. */
  get is_greeted() {
    return this.#unsent === undefined;
  }

  /**
   * @param {CallMessage} message
   * @param {CallOptions} [options]
   * @returns {Call}
   */
  call(message, { signal, transfer = [], onMessage } = {}) {
    if (this.#ended) throw this.#ended;
    throwIfAborted(signal);
    const id = ++this.#last_id;
    const result = new Promise((resolve, reject) =>
      this.#calls.set(id, { resolve, reject, onMessage }),
    );
    const end = (/** @type {SiskinError} */ error) => {
      const call = this.#calls.get(id);
      if (!call) return;
      this.#forget(id);
      this.#post({ type: 'stop', id });
      call.reject(error);
    };
    const abort = () => end(abortedError(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    const forget = () => signal?.removeEventListener('abort', abort);
    result.then(forget, forget);
    this.#post(/** @type {PageMessage} */ ({ ...message, id }), transfer);
    return {
      result,
      cancel: () => end(abortedError()),
      setIdle: (value) => this.#calls.has(id) && this.#post({ type: 'idle', id, value }),
    };
  }

  /**
   * Sends a message that has no answer.
   *
   * @param {PageMessage} message
   * @param {Transferable[]} [transfer]
   */
  send(message, transfer) {
    this.#post(message, transfer);
  }

  /** Asks for a sign of life, which sets `heard_ms`. */
  ping() {
    this.#post({ type: 'ping', id: 0 });
  }

  /**
   * Leaves the engine. Open calls reject with `open`, later ones throw `later`.
   *
   * @param {SiskinError} open
   * @param {SiskinError} later
   */
  close(open, later) {
    if (this.#ended) return;
    this.#post({ type: 'close' });
    this.#end(open, later);
    this.#connection.close();
  }

  /** Leaves the engine as soon as no call is open. */
  closeWhenIdle() {
    this.#closing = true;
    this.#closeIfIdle();
  }

  /** Ends all calls with an error, which later ones throw too. @param {SiskinError} error */
  fail(error) {
    if (this.#ended) return;
    this.#end(error, error);
    this.#connection.close();
  }

  /**
   * @param {SiskinError} open
   * @param {SiskinError} later
   */
  #end(open, later) {
    this.#ended = later;
    this.#resolveGone(later);
    for (const call of this.#calls.values()) call.reject(open);
    this.#calls.clear();
  }

  #closeIfIdle() {
    if (!this.#closing || this.is_busy || this.#ended) return;
    const later = new SiskinError('not_loaded', 'The model was let go of.');
    this.close(later, later);
  }

  /** @param {number} id */
  #forget(id) {
    this.#calls.delete(id);
    this.#closeIfIdle();
  }

  /**
   * @param {PageMessage} message
   * @param {Transferable[]} [transfer]
   */
  #post(message, transfer = []) {
    if (this.#ended) return;
    if (this.#unsent) {
      this.#unsent.push({ message, transfer });
      return;
    }
    try {
      this.#connection.post(message, transfer);
    } catch (cause) {
      const id = 'id' in message ? message.id : 0;
      this.#calls
        .get(id)
        ?.reject(
          new SiskinError(
            'invalid_argument',
            `The request holds something that cannot be sent: ${messageOf(cause)}`,
            { cause },
          ),
        );
      this.#forget(id);
    }
  }

  /** @param {WorkerMessage} message */
  #receive(message) {
    if (this.#ended) return;
    this.heard_ms = performance.now();
    if (this.#unsent) return this.#greet(message);
    switch (message.type) {
      case 'hello':
        return;
      case 'moved':
        return this.onBackendChanged(message.value);
      case 'unloaded':
        return;
      case 'gone':
        return this.fail(goneError('its page let go of it'));
      case 'crashed':
        return this.fail(crashError(message.message));
    }
    const call = this.#calls.get(message.id);
    if (!call) return;
    if (message.type === 'done') {
      this.#forget(message.id);
      call.resolve(message.value);
    } else if (message.type === 'failed') {
      this.#forget(message.id);
      call.reject(new SiskinError(message.code, message.message));
    } else {
      call.onMessage?.(message);
    }
  }

  /** @param {WorkerMessage} message */
  #greet(message) {
    const is_known =
      message?.type === 'hello' &&
      message.protocol === PROTOCOL &&
      (!this.#same_build || message.build === BUILD);
    if (!is_known) return this.fail(versionMismatch());
    const unsent = this.#unsent ?? [];
    this.#unsent = undefined;
    this.#post({ type: 'hello', protocol: PROTOCOL, build: BUILD });
    for (const { message, transfer } of unsent) this.#post(message, transfer);
  }
}

/** @param {string} why */
export function crashError(why) {
  return new SiskinError(
    'worker_failed',
    `The engine crashed (${why}). Load the model again; if that repeats, memory may be ` +
      'short: close other tabs or take a smaller model.',
  );
}

/** @param {string} why */
export function goneError(why) {
  return new SiskinError('engine_gone', `The engine is gone: ${why}. Ask again.`);
}

/** Returns whether an error says that the engine is gone. @param {unknown} error */
export function isGone(error) {
  return codeOf(error) === 'engine_gone';
}
