/**
 * This module calls an engine that may be replaced by another of the same model: the calls that are
 * open then are made again, and an answer goes on where it was.
 */
import { SiskinError, abortedError, throwIfAborted } from '../errors.js';
import { isGone } from './engine_client.js';

/** @import { BackendInfo, WorkerMessage } from '../protocol.js' */
/** @import { Call, CallMessage, CallOptions, EngineClient } from './engine_client.js' */

/** A `LastingClient` calls one engine after the other. */
export class LastingClient {
  /** @type {EngineClient | undefined} */
  #engine;
  /** @type {Set<LastingCall>} */
  #calls = new Set();
  /** `#ended` is set at the end. @type {SiskinError | undefined} */
  #ended;
  #closing = false;
  #loaded = false;
  /** @type {() => void} */
  #resolveIdle = () => {};
  /** `forgotten` resolves when nobody needs this client any more. @type {Promise<void>} */
  forgotten = new Promise((resolve) => (this.#resolveIdle = resolve));

  /**
   * This callback runs when the calls go on on another backend.
   *
   * @type {(backend_info: BackendInfo) => void}
   */
  onBackendChanged = () => {};

  /** Whether a call has not ended. */
  get is_busy() {
    return this.#calls.size > 0;
  }

  /**
   * @param {CallMessage} message
   * @param {CallOptions} [options]
   * @returns {Call}
   */
  call(message, { signal, onMessage } = {}) {
    if (this.#ended) throw this.#ended;
    throwIfAborted(signal);
    const call = new LastingCall(repeatable(message), onMessage);
    this.#calls.add(call);
    const abort = () => call.end(abortedError(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    const forget = () => {
      this.#calls.delete(call);
      signal?.removeEventListener('abort', abort);
      if (this.#closing && !this.is_busy) this.#resolveIdle();
    };
    call.result.then(forget, forget);
    if (this.#engine) call.start(this.#engine);
    return {
      result: call.result,
      cancel: () => call.end(abortedError()),
      setIdle: (idle) => call.setIdle(idle),
    };
  }

  /** Returns whether its calls go to an engine. @param {EngineClient} engine */
  uses(engine) {
    return this.#engine === engine;
  }

  /** @throws {SiskinError} `invalid_argument` */
  send() {
    throw new SiskinError(
      'invalid_argument',
      'A shared engine is reached by Siskin.load with shared: true, and not served.',
    );
  }

  closeWhenIdle() {
    this.#closing = true;
    if (!this.is_busy) this.#resolveIdle();
  }

  /**
   * Makes all open calls again, with an engine that has or loads the model.
   *
   * @param {EngineClient} engine
   */
  attach(engine) {
    this.detach();
    this.#engine = engine;
    const change = (/** @type {BackendInfo} */ info) =>
      this.#engine === engine && this.onBackendChanged(info);
    engine.onBackendChanged = change;
    for (const call of this.#calls) call.start(engine);
    // The other engine may be on another backend.
    if (this.#loaded) engine.call({ type: 'info' }).result.then(change, () => {});
    this.#loaded = true;
  }

  /** Leaves its engine. The calls wait for the next one. */
  detach() {
    this.#engine = undefined;
    for (const call of this.#calls) call.wait();
  }

  /**
   * @param {SiskinError} open
   * @param {SiskinError} later
   */
  close(open, later) {
    this.#ended ??= later;
    for (const call of this.#calls) call.end(open);
  }
}

/** A `LastingCall` is one call, made once or several times. */
class LastingCall {
  #message;
  #onMessage;
  /** @type {Call | undefined} */
  #run;
  #started = false;
  /** The texts of the tokens that have been passed on. @type {string[]} */
  #texts = [];
  /** @type {(value: any) => void} */
  #resolve = () => {};
  /** @type {(error: unknown) => void} */
  #reject = () => {};
  /** @type {Promise<any>} */
  result = new Promise((resolve, reject) => {
    this.#resolve = resolve;
    this.#reject = reject;
  });

  /**
   * @param {CallMessage} message
   * @param {CallOptions['onMessage']} onMessage
   */
  constructor(message, onMessage) {
    this.#message = message;
    this.#onMessage = onMessage;
  }

  /** @param {EngineClient} engine */
  start(engine) {
    let tokens = 0;
    /** @type {Call} */
    let run;
    try {
      run = engine.call(this.#message, {
        onMessage: (message) => {
          if (this.#run !== run) return;
          if (message.type !== 'event') this.#pass(message);
          else if (message.value.prefill) tokens === this.#texts.length && this.#pass(message);
          else this.#passToken(message, tokens++);
        },
      });
    } catch {
      // That engine is gone already: the next one is waited for.
      return;
    }
    this.#run = run;
    run.result.then(
      (value) => this.#run === run && this.#resolve(value),
      (error) => this.#run === run && !isGone(error) && this.#reject(error),
    );
  }

  /** Forgets the engine that it runs on. */
  wait() {
    this.#run = undefined;
  }

  /** @param {SiskinError} error */
  end(error) {
    const run = this.#run;
    this.#run = undefined;
    run?.cancel();
    this.#reject(error);
  }

  /** @param {boolean} idle */
  setIdle(idle) {
    this.#run?.setIdle(idle);
  }

  /** @param {WorkerMessage} message */
  #pass(message) {
    if (message.type === 'started') {
      if (this.#started) return;
      this.#started = true;
    }
    this.#onMessage?.(message);
  }

  /**
   * Passes a token on, unless it was before: then it must be the same.
   *
   * @param {Extract<WorkerMessage, {type: 'event'}>} message
   * @param {number} index
   */
  #passToken(message, index) {
    const { text } = message.value;
    if (index >= this.#texts.length) {
      this.#texts.push(text);
      this.#pass(message);
    } else if (this.#texts[index] !== text || message.value.finish_reason) {
      this.end(
        new SiskinError(
          'engine_gone',
          'The tab that ran the engine is gone, and another one did not repeat the beginning of ' +
            'this answer. Ask again.',
        ),
      );
    }
  }
}

/**
 * Returns a request that is answered the same when it is made again: it has a seed.
 *
 * @param {CallMessage} message
 * @returns {CallMessage}
 */
function repeatable(message) {
  if (message.type !== 'chat') return message;
  const [seed] = crypto.getRandomValues(new Uint32Array(1));
  return { ...message, request: { ...message.request, seed: message.request.seed ?? seed } };
}
