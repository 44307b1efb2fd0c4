/**
 * This module picks where the engine computes: on the graphics card if that is right and faster,
 * else on the processor. It also changes the backend when the card fails.
 */
import { startEngine, usableThreads } from './wasm_build.js';
import { SiskinError, codeOf, messageOf } from '../errors.js';
import { findGpu } from './adapter.js';
import { addAdapters } from './lora.js';
import { openWeights, pumpWeights } from '../model/weights.js';

/** @import { BackendInfo, Engine, LoadMessage, ModelInfo } from '../protocol.js' */
/** @import { StartedEngine } from './wasm_build.js' */
/** @import { Sink } from '../model/weights.js' */

/**
 * A card is waited for each time that it was given this many bytes: what it has not taken piles up
 * in the browser.
 */
const SETTLE_BYTES = 64 << 20;
/**
 * A lost graphics card is restarted after these times, before the processor takes over. A driver
 * that is updated, or that recovers from a hang, is gone for some seconds.
 */
const RESTARTS_MS = [0, 1000, 4000];
/** A card that ran this long since it was restarted is well: its restarts are counted anew. */
const HEALTHY_MS = 60_000;
/**
 * Whether an engine whose memory is shared can wait for a card. wasm-bindgen's replacement for
 * `Atomics.waitAsync` needs a worker for each wait.
 */
const CAN_WAIT_SHARED = 'waitAsync' in Atomics;

/**
 * @param {LoadMessage} message
 * @returns {Promise<PickedBackend>}
 * @throws {SiskinError} `gpu_unavailable` where the card was asked for by name; what `startEngine`
 *   throws
 */
export async function pickBackend(message) {
  const { adapter, features, refusal } =
    message.backend === 'cpu' ? {} : await findGpu(message.known_gpus);
  let why = refusal;
  /** @type {StartedEngine | undefined} */
  let started;
  if (adapter !== undefined && (message.backend === 'gpu' || !refusal)) {
    // The threads start only if the processor takes over.
    started = await startEngine(CAN_WAIT_SHARED ? message.threads : 1, message);
    try {
      const engine = await started.module.Engine.on_gpu(gpuOptions(message, features));
      await addAdapters(engine, message);
      return new PickedBackend(message, started, engine, { backend: 'gpu', adapter });
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      why = new SiskinError(codeOf(error) ?? 'gpu_unavailable', messageOf(error));
    }
  }
  if (message.backend === 'gpu')
    throw new SiskinError(
      'gpu_unavailable',
      `${why?.message} Load the model with backend "auto" or "cpu".`,
    );
  return new PickedBackend(message, ...(await onCpu(message, started)), cpuInfo(adapter, why));
}

/** @param {LoadMessage} message */
function modelOptions({ context_tokens, slots, chat_template }) {
  return { context_tokens, slots, chat_template };
}

/**
 * @param {LoadMessage} message
 * @param {string[]} [features] the only ones that shaders may use
 */
function gpuOptions(message, features) {
  return { ...modelOptions(message), cache_type: message.cache_type, features };
}

/**
 * @param {string | undefined} adapter
 * @param {unknown} why
 * @returns {BackendInfo}
 */
function cpuInfo(adapter, why) {
  return {
    backend: 'cpu',
    ...(adapter !== undefined && { adapter }),
    ...(why !== undefined && { gpu_refusal: messageOf(why), gpu_refusal_code: codeOf(why) }),
  };
}

/**
 * @param {LoadMessage} message
 * @param {StartedEngine} [started] a wasm that runs already, which serves if it has the threads
 * @returns {Promise<[StartedEngine, Engine]>}
 */
async function onCpu(message, started) {
  if (!started || started.thread_count < usableThreads(message.threads))
    started = await startEngine(message.threads, message);
  return [started, await cpuEngine(message, started)];
}

/**
 * @param {LoadMessage} message
 * @param {StartedEngine} started
 */
async function cpuEngine(message, { module, thread_count }) {
  const engine = new module.Engine({ ...modelOptions(message), threads: thread_count });
  await addAdapters(engine, message);
  return engine;
}

/** A `PickedBackend` owns the engine, and moves the model to another backend when a card fails. */
export class PickedBackend {
  #message;
  #started;
  /** @type {BackendInfo} */
  #info;
  /** What shaders use, once it is known: a card that is restarted begins there. */
  #features = /** @type {string[] | undefined} */ (undefined);
  #restarts = 0;
  #restarted_ms = -Infinity;

  /**
   * @param {LoadMessage} message
   * @param {StartedEngine} started
   * @param {Engine} engine waits for its file
   * @param {BackendInfo} info
   */
  constructor(message, started, engine, info) {
    this.#message = message;
    this.#started = started;
    this.engine = engine;
    this.#info = info;
  }

  info() {
    return this.#info;
  }

  /** Starts the threads that the engine has seats for: those of the processor, if it computes. */
  async startThreads() {
    return this.#info.backend === 'cpu' ? this.#started.startThreads() : [];
  }

  free() {
    this.engine.free();
  }

  /**
   * Returns the sink that takes the file. Once the header has arrived, the card is tested while the
   * rest arrives; if the test fails, the bytes that arrived before it go to the processor.
   *
   * @returns {Sink}
   */
  sink() {
    /** @type {Uint8Array[]} */
    const taken = [];
    const { backend, threads } = this.#message;
    return backend === 'auto' ? this.#sink(usableThreads(threads), taken) : this.#sink(0);
  }

  /**
   * @param {number} rivals how many threads of the processor the card must outrun
   * @param {Uint8Array[]} [taken] collects what is pushed before the test, if the processor may
   *   start with it
   * @returns {Sink}
   */
  #sink(rivals, taken) {
    let tested = this.#info.backend === 'cpu';
    let unsettled_bytes = 0;
    return {
      push: async (bytes) => {
        if (tested) {
          this.engine.push(bytes);
          unsettled_bytes += bytes.length;
          if (unsettled_bytes < SETTLE_BYTES || this.#info.backend !== 'gpu') return;
          unsettled_bytes = 0;
          return this.engine.settle();
        }
        taken?.push(bytes.slice());
        try {
          this.engine.push(bytes);
          if (!this.engine.has_header()) return;
          tested = true;
          await this.engine.test_gpu(rivals);
        } catch (error) {
          if (!taken || !isDeviceError(error)) throw error;
          tested = true;
          await this.fallBack(error);
          for (const bytes of taken) this.engine.push(bytes);
        }
        taken?.splice(0);
      },
      finish: async () => {
        const info = await this.engine.finish();
        this.#features = info.gpu_features;
        return info;
      },
    };
  }

  /**
   * Returns whether the processor may read the file instead, after an error during the reading.
   *
   * @param {unknown} error
   */
  mayFallBack(error) {
    const { backend, source } = this.#message;
    // A port delivers its bytes only once.
    return (
      isDeviceError(error) &&
      backend !== 'gpu' &&
      source.kind !== 'port' &&
      this.#info.backend === 'gpu'
    );
  }

  /** @param {unknown} why */
  async fallBack(why) {
    this.engine.free();
    [this.#started, this.engine] = await onCpu(this.#message, this.#started);
    this.#info = cpuInfo(this.#info.adapter, why);
  }

  /**
   * Returns whether the answer can continue after an error of the card.
   *
   * @param {unknown} error
   */
  mayRecover(error) {
    return (
      isDeviceError(error) && this.#message.source.kind !== 'port' && this.#info.backend === 'gpu'
    );
  }

  /**
   * Loads the same file again, onto the restarted card or onto the processor. The answer continues
   * where it was.
   *
   * @param {unknown} why
   * @returns {Promise<ModelInfo>}
   */
  async recover(why) {
    if (performance.now() - this.#restarted_ms >= HEALTHY_MS) this.#restarts = 0;
    while (this.#restarts < RESTARTS_MS.length) {
      const pause_ms = RESTARTS_MS[this.#restarts++];
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
      try {
        const options = gpuOptions(this.#message, this.#features);
        const engine = await this.#started.module.Engine.on_gpu(options);
        await addAdapters(engine, this.#message);
        const info = await this.#reload(engine);
        this.#restarted_ms = performance.now();
        return info;
      } catch (error) {
        if (!isDeviceError(error)) throw error;
      }
    }
    this.#info = cpuInfo(this.#info.adapter, why);
    return this.#reload(await cpuEngine(this.#message, this.#started));
  }

  /** @param {Engine} replacement */
  async #reload(replacement) {
    this.engine.reload(replacement);
    const ignore = () => {};
    // The card was fast enough before, and now other things are in its way.
    return pumpWeights(await openWeights(this.#message.source, ignore), this.#sink(0), ignore);
  }
}

/** @param {unknown} error */
export function isDeviceError(error) {
  return codeOf(error)?.startsWith('gpu_') ?? false;
}
