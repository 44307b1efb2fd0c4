/**
 * This module picks where the engine computes: on the graphics card if that is right and faster,
 * else on the processor. It also changes the backend when the card fails.
 */
import { startEngine, usableThreads } from './wasm_build.js';
import { SiskinError, codeOf, messageOf } from '../errors.js';
import { findGpu } from './adapter.js';
import { openWeights, pumpWeights } from '../model/weights.js';

/** @import { BackendInfo, Engine, LoadMessage } from '../protocol.js' */
/** @import { StartedEngine } from './wasm_build.js' */
/** @import { Sink } from '../model/weights.js' */

/**
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
 * @param {LoadMessage} message
 * @returns {Promise<PickedBackend>}
 * @throws {SiskinError} `gpu_unavailable` where the card was asked for by name; what `startEngine`
 *   throws
 */
export async function pickBackend(message) {
  const { adapter, refusal } = message.backend === 'cpu' ? {} : await findGpu(message.known_gpus);
  let why = refusal;
  if (adapter !== undefined && (message.backend === 'gpu' || !refusal)) {
    const started = await startEngine(1, message);
    try {
      const engine = await started.module.Engine.on_gpu(gpuOptions(message));
      return new PickedBackend(message, started, engine, { backend: 'gpu', adapter });
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      why = new SiskinError(codeOf(error) ?? '', messageOf(error));
    }
  }
  if (message.backend === 'gpu')
    throw new SiskinError(
      'gpu_unavailable',
      `${why?.message} Load the model with backend "auto" or "cpu".`,
    );
  return new PickedBackend(message, ...(await onCpu(message)), cpuInfo(adapter, why));
}

/** @param {LoadMessage} message */
function modelOptions({ context_tokens, slots, chat_template }) {
  return { context_tokens, slots, chat_template };
}

/** @param {LoadMessage} message */
function gpuOptions(message) {
  return { ...modelOptions(message), cache_type: message.cache_type };
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
 * @returns {Promise<[StartedEngine, Engine]>}
 */
async function onCpu(message) {
  const started = await startEngine(message.threads, message);
  const options = { ...modelOptions(message), threads: started.thread_count };
  return [started, new started.module.Engine(options)];
}

/** A `PickedBackend` owns the engine, and moves the model to another backend when a card fails. */
export class PickedBackend {
  #message;
  #started;
  /** @type {BackendInfo} */
  #info;
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

  startThreads() {
    return this.#started.startThreads();
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
      finish: () => this.engine.finish(),
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
    [this.#started, this.engine] = await onCpu(this.#message);
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
   */
  async recover(why) {
    if (performance.now() - this.#restarted_ms >= HEALTHY_MS) this.#restarts = 0;
    while (this.#restarts < RESTARTS_MS.length) {
      const pause_ms = RESTARTS_MS[this.#restarts++];
      await new Promise((resolve) => setTimeout(resolve, pause_ms));
      try {
        await this.#reload(await this.#started.module.Engine.on_gpu(gpuOptions(this.#message)));
        this.#restarted_ms = performance.now();
        return;
      } catch (error) {
        if (!isDeviceError(error)) throw error;
      }
    }
    this.#info = cpuInfo(this.#info.adapter, why);
    const options = { ...modelOptions(this.#message), threads: 1 };
    await this.#reload(new this.#started.module.Engine(options));
  }

  /** @param {Engine} replacement */
  async #reload(replacement) {
    this.engine.reload(replacement);
    const ignore = () => {};
    // The card was fast enough before, and now other things are in its way.
    await pumpWeights(await openWeights(this.#message.source, ignore), this.#sink(0), ignore);
  }
}

/** @param {unknown} error */
export function isDeviceError(error) {
  return codeOf(error)?.startsWith('gpu_') ?? false;
}
