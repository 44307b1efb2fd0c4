/**
 * This module compares versions of a sentence by how likely the model finds them as plain text,
 * without any instruction.
 */

/** @import { Score } from '../protocol.js' */

/**
 * A `Scorer` is the part of a `Siskin` that scores.
 *
 * @typedef {object} Scorer
 * @property {(text: string) => Promise<Uint32Array>} tokenize
 * @property {(ids: Iterable<number>, options?: {signal?: AbortSignal | null}) => Promise<Score>} score
 */

/** Stands before each text: the first token of a text has no probability. */
const CONTEXT = '\n';

/** A `Judge` scores texts, each of them once. */
export class Judge {
  #scorer;
  #signal;
  /** @type {Map<string, Promise<number>>} */
  #scores = new Map();

  /**
   * @param {Scorer} scorer
   * @param {AbortSignal | undefined} signal
   */
  constructor(scorer, signal) {
    this.#scorer = scorer;
    this.#signal = signal;
  }

  /**
   * Returns the natural logarithm of a text's probability.
   *
   * @param {string} text
   * @returns {Promise<number>}
   */
  score(text) {
    let score = this.#scores.get(text);
    if (!score) this.#scores.set(text, (score = this.#compute(text)));
    return score;
  }

  /** @param {string} text */
  async #compute(text) {
    const ids = await this.#scorer.tokenize(CONTEXT + text);
    const { log_probabilities } = await this.#scorer.score(ids, { signal: this.#signal });
    return log_probabilities.reduce((sum, value) => sum + value, 0);
  }
}
