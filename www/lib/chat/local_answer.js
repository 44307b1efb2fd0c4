/** This module answers with the model in the worker. */
import { markAnswering } from './answering.js';

export { Completions } from './completions.js';

/** @import { Ask, Step } from './completions.js' */
/** @import { Client } from '../engine/engines.js' */
/** @import { ChatRequest, ModelInfo } from '../protocol.js' */

/**
 * Returns the `Ask` of the model in the worker.
 *
 * @param {Client} client
 * @param {ModelInfo} info
 * @returns {Ask}
 */
export function askLocally(client, info) {
  return async (request, signal) => {
    const answer = new LocalAnswer(client, request, signal);
    await answer.started;
    return { answer, model: info.name, computed: 'local' };
  };
}

/**
 * Steps that nobody takes for this long are reported: the engine ends the answer if another request
 * waits.
 */
const IDLE_MS = 10_000;

/** A `LocalAnswer` holds the events of one answer until they are taken. */
class LocalAnswer {
  /** @type {Step[]} */
  #steps = [];
  #ended = false;
  /** @type {unknown} */
  #error;
  /** @type {(() => void) | undefined} */
  #wake;
  /** `#timer` runs while steps wait. @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #idle = false;
  /** @type {(idle: boolean) => void} */
  #setIdle = () => {};

  /**
   * @param {Client} client
   * @param {ChatRequest} request
   * @param {AbortSignal | undefined} signal
   */
  constructor(client, request, signal) {
    /** `started` resolves when the engine has accepted the request. @type {Promise<void>} */
    this.started = new Promise((resolve, reject) => {
      const { result, cancel, setIdle } = client.call(
        { type: 'chat', request },
        {
          signal,
          onMessage: (message) => {
            if (message.type === 'started') resolve();
            if (message.type === 'event')
              this.#push({ event: message.value, timings: message.timings });
          },
        },
      );
      this.cancel = cancel;
      this.#setIdle = setIdle;
      markAnswering(result);
      result.then(
        () => this.#end(undefined),
        (error) => {
          reject(error);
          this.#end(error);
        },
      );
    });
  }

  /** Stops the model after the current token. */
  cancel() {}

  /**
   * @returns {Promise<Step | undefined>} undefined at the end
   * @throws {SiskinError} the answer's error; steps that were not taken are dropped then
   */
  async next() {
    while (!this.#ended && this.#steps.length === 0)
      await new Promise(
        (/** @type {(value?: undefined) => void} */ resolve) => (this.#wake = resolve),
      );
    if (this.#error) throw this.#error;
    const step = this.#steps.shift();
    this.#watch();
    return step;
  }

  /** Measures anew how long the next step waits. */
  #watch() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#idle) this.#setIdle((this.#idle = false));
    if (this.#steps.length > 0 && !this.#ended)
      this.#timer = setTimeout(() => this.#setIdle((this.#idle = true)), IDLE_MS);
  }

  /** @param {Step} step */
  #push(step) {
    this.#steps.push(step);
    if (this.#timer === undefined && !this.#idle) this.#watch();
    this.#wake?.();
  }

  /** @param {unknown} error */
  #end(error) {
    this.#ended = true;
    this.#error = error;
    clearTimeout(this.#timer);
    this.#wake?.();
  }
}
