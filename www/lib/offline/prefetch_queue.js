/**
 * This module prefetches models in a service worker: one chunk at a time, while nobody needs the
 * network or the processor. The queue is stored, and so is every part that has arrived, so that the
 * browser may end the service worker at any moment; the next event continues the queue.
 */
import { isAnswering } from '../chat/answering.js';
import { codeOf, messageOf } from '../errors.js';
import { models } from '../model/models.js';

/** @import { SwState } from './sw_state.js' */
/** @import { PrecacheProgress } from './register.js' */
/** @import { Scope } from '../service_worker_handlers.js' */

/** The state's entries begin with this prefix, one for each model; the value is its connection. */
const STATE_PREFIX = 'precache ';
/** The visitor has agreed to any connection. */
const ANY_CONNECTION = 'any';
/** A page that has asked for nothing for this long has finished loading. */
const IDLE_MS = 2000;
const POLL_MS = 500;

/** A `PrefetchQueue` holds the models that are to be prefetched, and fetches them in order. */
export class PrefetchQueue {
  #scope;
  #state;
  #broadcast;
  #last_request_ms = performance.now();
  /** @type {Promise<void> | undefined} */
  #running;
  /** Holds the models that are left for the next run. @type {Set<string>} */
  #paused = new Set();

  /**
   * @param {Scope} scope
   * @param {SwState} state
   * @param {(message: object) => Promise<void>} broadcast
   */
  constructor(scope, state, broadcast) {
    this.#scope = scope;
    this.#state = state;
    this.#broadcast = broadcast;
  }

  /** Records that a page has sent a request. */
  noteRequest() {
    this.#last_request_ms = performance.now();
  }

  /** @returns {Promise<string[]>} what is still to be fetched */
  async list() {
    return (await this.#state.names(STATE_PREFIX)).map((name) => name.slice(STATE_PREFIX.length));
  }

  /**
   * @param {string[]} urls
   * @param {boolean} any_connection whether they may come over a metered or unknown connection
   */
  async add(urls, any_connection) {
    for (const url of urls) {
      if (any_connection || !(await this.#mayUseAny(url)))
        await this.#state.set(STATE_PREFIX + url, any_connection ? ANY_CONNECTION : '');
      this.#paused.delete(url);
    }
  }

  /** @param {string} url */
  async #mayUseAny(url) {
    return (await this.#state.get(STATE_PREFIX + url)) === ANY_CONNECTION;
  }

  /** Fetches the models that are left. @returns {Promise<void>} */
  run() {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #run() {
    this.#paused.clear();
    const next = async () => (await this.list()).find((url) => !this.#paused.has(url));
    for (let url = await next(); url !== undefined; url = await next()) {
      if (await this.#fetch(url)) await this.#state.delete(STATE_PREFIX + url);
      else this.#paused.add(url);
    }
  }

  /**
   * @param {string} url
   * @returns {Promise<boolean>} false where it is to be tried again later
   */
  async #fetch(url) {
    /** @type {PrecacheProgress} */
    let progress = {
      url,
      loaded_bytes: 0,
      total_bytes: null,
      done: false,
      paused: null,
      error: null,
    };
    const report = (/** @type {Partial<PrecacheProgress>} */ change) =>
      this.#broadcast({ siskin: 'precache', progress: (progress = { ...progress, ...change }) });
    try {
      while (!progress.done) {
        const paused = await this.#pauseReason(url);
        if (paused !== progress.paused) await report({ paused });
        if (paused === 'busy') {
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
          continue;
        }
        // Connections change seldom, so the next page's navigation starts the queue again.
        if (paused) return false;
        const before = progress.loaded_bytes;
        const { loaded_bytes, total_bytes, complete } = await models.prefetchChunk(url);
        await report({ loaded_bytes, total_bytes, done: complete });
        // A tab fetches the same model.
        if (loaded_bytes === before && !complete)
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      return true;
    } catch (error) {
      if (isRetryable(error)) {
        await report({ paused: 'network' });
        return false;
      }
      await report({ error: { code: codeOf(error) ?? 'unknown', message: messageOf(error) } });
      return true;
    }
  }

  /**
   * @param {string} url
   * @returns {Promise<PrecacheProgress['paused']>}
   */
  async #pauseReason(url) {
    const { connection, onLine } = this.#scope.navigator;
    if (onLine === false) return 'network';
    if (!(await this.#mayUseAny(url))) {
      if (!connection) return 'unknown_connection';
      if (connection.saveData) return 'save_data';
      if (connection.type === 'cellular') return 'metered';
    }
    return performance.now() - this.#last_request_ms < IDLE_MS || (await isAnswering())
      ? 'busy'
      : null;
  }
}

/** @param {unknown} error */
function isRetryable(error) {
  const { status = 0 } = /** @type {{status?: number}} */ (error);
  return codeOf(error) === 'network' || status === 429 || status >= 500;
}
