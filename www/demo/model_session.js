/** This module holds the model that is loaded, and exchanges it for another. */
import { Siskin } from '../lib/index.js';

/** @import { LoadProgress } from '../lib/index.js' */

/**
 * A `Choice` is a model to load. `listed` models have a known name; a file is named by its header.
 *
 * @typedef {{name: string, source: string | File, sha256?: string, listed?: boolean}} Choice
 */

/**
 * When this much of another model has arrived, its header has been read: headers are smaller, and
 * the engine reads each 8 MiB before it waits for those after the next. Most of what can be wrong
 * with an address or a file has shown itself by then.
 */
const HEADER_READ_BYTES = 32 << 20;

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
    const loaded = await Siskin.load(choice.source, {
      sha256: choice.sha256,
      backend,
      signal,
      onProgress: (progress) => {
        if (progress.loaded_bytes > HEADER_READ_BYTES && !signal.aborted) void this.#unload();
        onProgress(progress);
      },
    });
    await this.#unload();
    this.siskin = loaded;
    this.choice = choice;
    this.name = choice.listed ? choice.name : loaded.info.name || choice.name;
  }

  async #unload() {
    const { siskin } = this;
    this.siskin = undefined;
    await siskin?.unload();
  }
}
