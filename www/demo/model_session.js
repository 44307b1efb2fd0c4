/** This module holds the model that is loaded, and exchanges it for another. */
import { Siskin } from '../lib/siskin.js';

/** @import { LoadProgress } from '../lib/index.js' */

/**
 * A `Choice` is a model to load. `listed` models have a known name; a file is named by its header.
 *
 * @typedef {{name: string, source: string | File, sha256?: string, listed?: boolean}} Choice
 */

/** No header is longer: the vocabulary makes most of it, 6 MB with Qwen's 152,000 tokens. */
const HEADER_BYTES = 32 << 20;
/**
 * Of a download the library tells what has arrived, not what the engine has taken. The engine is
 * given this time to take the header, and to complain of it.
 */
const READ_HEADER_MS = 2000;

export class ModelSession {
  /** @type {Siskin | undefined} */
  siskin;
  /** @type {Choice | undefined} */
  choice;
  /** Names the model for people. */
  name = '';
  #startWorker;

  /** @param {() => Worker} startWorker starts the library's worker */
  constructor(startWorker) {
    this.#startWorker = startWorker;
  }

  /**
   * Loads a model in the place of the one that is loaded. That one is kept until the header of the
   * new one is there, so that an address with a typo costs nothing; it is unloaded then, because
   * two models would take the memory of both.
   *
   * @param {Choice} choice
   * @param {{
   *   backend: 'auto' | 'gpu' | 'cpu',
   *   signal: AbortSignal,
   *   onProgress: (progress: LoadProgress) => void,
   * }} options
   * @throws {SiskinError} as `Siskin.load`; `siskin` is then still the old one, if it was kept
   */
  async load(choice, { backend, signal, onProgress }) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let unloading;
    try {
      const loaded = await Siskin.load(choice.source, {
        sha256: choice.sha256,
        backend,
        signal,
        worker: this.#startWorker,
        onProgress: (progress) => {
          const { loaded_bytes, from_cache } = progress;
          const is_read = from_cache || typeof choice.source !== 'string';
          if (loaded_bytes > HEADER_BYTES)
            unloading ??= setTimeout(() => void this.#unload(), is_read ? 0 : READ_HEADER_MS);
          onProgress(progress);
        },
      });
      await this.#unload();
      this.siskin = loaded;
    } finally {
      clearTimeout(unloading);
    }
    this.choice = choice;
    this.name = choice.listed ? choice.name : this.siskin.info.name || choice.name;
  }

  async #unload() {
    const { siskin } = this;
    this.siskin = undefined;
    await siskin?.unload();
  }
}
