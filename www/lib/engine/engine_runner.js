/**
 * This module runs the engine: it loads the model, writes answers and scores one at a time, and
 * lets the engine go. It knows nothing of who asks.
 */
import { SiskinError, abortedError, codeOf, messageOf } from '../errors.js';
import { openWeights, pumpWeights } from '../model/weights.js';
import { yieldToMessages } from '../model/yield_to_messages.js';
import { AnswerTimer } from './answer_timer.js';
import { isDeviceError, pickBackend } from './backend.js';
import { keepPrefix, restoreOpening, restorePrefix, takeOpening } from './prefixes.js';

/**
 * @import { ChatRequest, EmbedResult, Engine, EngineEvent, LoadMessage } from '../protocol.js'
 * @import { LoadProgress, ModelInfo, PrefixMessage, PrefixResult } from '../protocol.js'
 * @import { RawRequest, Score, Timings } from '../protocol.js'
 */
/** @import { PickedBackend } from './backend.js' */
/** @import { PrefixOwner } from './prefixes.js' */

/** Workers of a worker need up to this long to end, on a machine that has other work as well. */
const WORKER_EXIT_MS = 400;

/** An `EngineRunner` owns the engine of one model. */
export class EngineRunner {
  /** `engine` is set when it is ready to answer. @type {Engine | undefined} */
  engine;
  /**
   * `#backend` owns the engine from the start of the loading on.
   *
   * @type {PickedBackend | undefined}
   */
  #backend;
  /**
   * These workers are the engine's threads besides this worker (thread.js). `left` resolves when a
   * thread shares no more work.
   *
   * @type {{worker: Worker, left: Promise<unknown>}[]}
   */
  #threads = [];
  /** `#starting` resolves when the engine has its threads. @type {Promise<void> | undefined} */
  #starting;
  #unloading = false;
  #stopping = false;
  /** A score or a prefix is one call of the engine, which is told at once to stop. */
  #in_one_call = false;
  /** `#prefix_owner` is set once the model is loaded. @type {Omit<PrefixOwner, 'engine'>} */
  #prefix_owner = {
    info: { name: '', fingerprint: '', build: '' },
    stores: false,
    stores_opening: false,
  };
  /**
   * `#opening` resolves to whether the chat template's own beginning needs no storing: it was
   * restored, or one answer was looked at.
   */
  #opening = Promise.resolve(true);
  /** `#storing` resolves when nothing is being stored. @type {Promise<void> | undefined} */
  #storing;

  /**
   * This callback runs when the engine continues on another backend.
   *
   * @type {(info: ModelInfo) => void}
   */
  onMoved = () => {};

  /**
   * @param {LoadMessage} message
   * @param {(progress: LoadProgress) => void} onProgress
   * @param {boolean} [may_retry] whether a file that was replaced meanwhile is fetched once more
   * @returns {Promise<ModelInfo>}
   */
  async load(message, onProgress, may_retry = true) {
    const { source } = message;
    try {
      const opening = openWeights(source, onProgress);
      // The promise is awaited below; until then its rejection must not count as unhandled.
      opening.catch(() => {});
      const backend = await pickBackend(message).catch(async (error) => {
        (await opening).close();
        throw error;
      });
      this.#backend = backend;
      void this.#startThreads();
      let weights = await opening;
      let info;
      try {
        info = await pumpWeights(weights, backend.sink(), onProgress);
      } catch (error) {
        if (!backend.mayFallBack(error)) throw error;
        await backend.fallBack(error);
        void this.#startThreads();
        weights = await openWeights(source, onProgress);
        info = await pumpWeights(weights, backend.sink(), onProgress);
      }
      await this.#startThreads();
      this.engine = backend.engine;
      const stores = source.kind !== 'url' || source.storage === 'disk';
      // What nobody has asked for is stored beside a stored model alone. A page's own template may
      // hold what a user has said.
      const stores_opening = source.kind === 'url' && stores && message.chat_template === undefined;
      this.#prefix_owner = { info, stores, stores_opening };
      // The load does not wait for it; the first answer does.
      this.#opening = restoreOpening({ ...this.#prefix_owner, engine: this.engine });
      return this.#infoOf(backend, info);
    } catch (error) {
      if (!may_retry || codeOf(error) !== 'file_changed') throw error;
      console.warn(`Siskin starts over. ${messageOf(error)}`);
      await this.#free();
      this.#backend = undefined;
      return this.load(message, onProgress, false);
    }
  }

  /**
   * Starts the engine's other threads, unless they run, where the processor computes: they share
   * the repacking of the weights already.
   */
  async #startThreads() {
    const backend = this.#backend;
    if (backend?.info().backend !== 'cpu') return;
    this.#starting ??= (async () => {
      for (const worker of await backend.startThreads()) {
        if (this.#unloading) {
          worker.terminate();
          continue;
        }
        this.#threads.push({ worker, left: new Promise((left) => (worker.onmessage = left)) });
        worker.postMessage(backend.engine.take_seat());
      }
    })();
    // Whoever does not wait for the threads must not leave a rejection unhandled.
    this.#starting.catch(() => {});
    return this.#starting;
  }

  /**
   * @param {PickedBackend} backend
   * @param {ModelInfo} info
   * @returns {ModelInfo}
   */
  #infoOf(backend, info) {
    return { ...info, ...backend.info(), threads: this.#threads.length + 1 };
  }

  /** Ends the answer, the score or the prefix that runs. */
  stop() {
    this.#stopping = true;
    if (this.#in_one_call) this.engine?.stop();
  }

  /**
   * Writes one answer.
   *
   * @param {ChatRequest | RawRequest} request
   * @param {object} on
   * @param {() => void} on.start the engine has accepted the request
   * @param {(event: EngineEvent, timings: Timings | undefined) => void} on.event
   * @param {() => void} on.pause messages were received between two steps
   */
  async answer(request, on) {
    const engine = /** @type {Engine} */ (this.engine);
    this.#stopping = false;
    let stop_sent = false;
    const timer = new AnswerTimer(performance.now());
    let cached_tokens = 0;
    await this.#opening;
    engine.start(request);
    on.start();
    for (;;) {
      if (this.#stopping && !stop_sent) {
        stop_sent = true;
        engine.stop();
      }
      const event = await this.#withRecovery(() => engine.next());
      if (!event) break;
      cached_tokens = event.usage?.cached_tokens ?? cached_tokens;
      on.event(event, timer.tick(performance.now(), event));
      await yieldToMessages();
      on.pause();
    }
    await this.#takeOpening(cached_tokens > 0);
  }

  /**
   * Takes what the next visit may begin with from the first answer, once it is written: what this
   * engine has computed, and not what a page has restored.
   *
   * @param {boolean} is_restored
   */
  async #takeOpening(is_restored) {
    if (await this.#opening) return;
    this.#opening = Promise.resolve(true);
    if (is_restored) return;
    const engine = /** @type {Engine} */ (this.engine);
    const store = await takeOpening({ ...this.#prefix_owner, engine });
    this.#storing = store().catch(() => {});
  }

  /**
   * @param {{ids: Iterable<number>, from?: number}} request
   * @returns {Promise<Score>}
   */
  async score({ ids, from }) {
    if (from !== undefined && !Number.isInteger(from))
      throw new SiskinError('invalid_argument', '`from` must be a whole number.');
    return this.#inOneCall((engine) => engine.score(Uint32Array.from(ids), from));
  }

  /**
   * Computes the embeddings of texts, or of token ids.
   *
   * @param {(string | number[])[]} inputs
   * @returns {Promise<EmbedResult>}
   */
  async embed(inputs) {
    /** @type {EmbedResult} */
    const result = { embeddings: [], token_counts: [] };
    await this.#inOneCall(async (engine) => {
      // What was computed before a card was lost is kept.
      for (const input of inputs.slice(result.embeddings.length)) {
        const ids =
          typeof input === 'string' ? engine.embedding_tokens(input) : Uint32Array.from(input);
        if (this.#stopping) throw abortedError();
        result.embeddings.push(await engine.embed(ids));
        result.token_counts.push(ids.length);
      }
    });
    return result;
  }

  /**
   * Keeps the beginning of a conversation.
   *
   * @param {PrefixMessage} message
   * @returns {Promise<PrefixResult>}
   */
  async keepPrefix(message) {
    return this.#inOneCall((engine) => keepPrefix({ ...this.#prefix_owner, engine }, message));
  }

  /**
   * Keeps a prefix that was saved.
   *
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  async restorePrefix(bytes) {
    const engine = /** @type {Engine} */ (this.engine);
    return restorePrefix({ ...this.#prefix_owner, engine }, bytes);
  }

  /**
   * @template T
   * @param {(engine: Engine) => Promise<T>} run
   * @returns {Promise<T>}
   */
  async #inOneCall(run) {
    this.#stopping = false;
    this.#in_one_call = true;
    try {
      return await this.#withRecovery(() => {
        if (this.#stopping) throw abortedError();
        return run(/** @type {Engine} */ (this.engine));
      });
    } finally {
      this.#in_one_call = false;
    }
  }

  /** Frees the engine, and ends what it has started. */
  async unload() {
    this.#unloading = true;
    // Chromium forgets a worker that is ended while its own workers are ending: threads, and what
    // reads the file while it is loaded.
    const exit_ms = this.#threads.length > 0 || !this.engine ? WORKER_EXIT_MS : 0;
    try {
      await this.#free();
      await Promise.race([this.#storing, delay(WORKER_EXIT_MS)]);
    } finally {
      await delay(exit_ms);
    }
  }

  /**
   * Frees the engine. The threads leave their slots when the engine is freed, and are awaited: one
   * that is terminated inside wasm can outlive this worker.
   */
  async #free() {
    try {
      await this.#starting;
    } catch {
      // Threads that did not start need no ending.
    }
    this.#starting = undefined;
    try {
      this.#backend?.free();
      await Promise.all(this.#threads.map(({ left }) => left));
    } finally {
      for (const { worker } of this.#threads.splice(0)) worker.terminate();
    }
  }

  /**
   * Runs a call of the engine, and runs it again after the graphics card was lost: the card is
   * restarted, or the processor takes over.
   *
   * @template T
   * @param {() => Promise<T>} run
   * @returns {Promise<T>}
   */
  async #withRecovery(run) {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!isDeviceError(error)) throw error;
        if (!this.#backend?.mayRecover(error)) throw new LostModelError(error);
        try {
          const info = await this.#backend.recover(error);
          await this.#startThreads();
          this.onMoved(this.#infoOf(this.#backend, info));
        } catch (cause) {
          throw new LostModelError(cause);
        }
      }
    }
  }
}

/** @param {number} ms */
const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The model is gone, and could not be loaded again. */
class LostModelError extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super(messageOf(cause), { cause });
  }
}
