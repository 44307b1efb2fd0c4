/**
 * This module compares versions of a sentence by how likely the model finds them as plain text,
 * without any instruction.
 */

/** @import { Score } from '../protocol.js' */
/** @import { Language } from './language.js' */
/** @import { Token } from './tokens.js' */

/**
 * A `Scorer` is the part of a `Siskin` that scores.
 *
 * @typedef {object} Scorer
 * @property {(text: string) => Promise<Uint32Array>} tokenize
 * @property {(
 *   ids: Iterable<number>,
 *   options?: {signal?: AbortSignal | null},
 * ) => Promise<Score>} score
 */

/**
 * What stands before each text: the first token of a text has no probability, and the first word of
 * a text without a beginning a poor one.
 *
 * @type {Record<Language, string>}
 */
const CONTEXTS = {
  en: 'Here is the text:\n',
  es: 'Este es el texto:\n',
  de: 'Hier ist der Text:\n',
  fr: 'Voici le texte :\n',
};

/** A `Judge` scores texts, each of them once. */
export class Judge {
  #scorer;
  #context;
  #signal;
  /** @type {Map<string, Promise<number[]>>} */
  #scores = new Map();

  /**
   * @param {Scorer} scorer
   * @param {Language} language
   * @param {AbortSignal | undefined} signal
   */
  constructor(scorer, language, signal) {
    this.#scorer = scorer;
    this.#context = CONTEXTS[language];
    this.#signal = signal;
  }

  /**
   * Returns the natural logarithm of a text's probability.
   *
   * @param {string} text
   * @returns {Promise<number>}
   */
  async score(text) {
    return (await this.#logProbabilities(text)).reduce((sum, value) => sum + value, 0);
  }

  /**
   * Returns for each word or sign how unlikely it is after what stands before it: the negative
   * natural logarithm of its probability, `[tokens.length]`.
   *
   * @param {string} text
   * @param {readonly Token[]} tokens of the text, in order
   * @returns {Promise<number[]>}
   */
  async surprises(text, tokens) {
    const values = await this.#logProbabilities(text);
    const begins = await Promise.all(
      tokens.map(async ({ start, glued }) => {
        // A space belongs to the word after it.
        const before = this.#context + text.slice(0, glued || start === 0 ? start : start - 1);
        return (await this.#scorer.tokenize(before)).length - 1;
      }),
    );
    return begins.map(
      (begin, index) =>
        -values
          .slice(begin, begins[index + 1] ?? values.length)
          .reduce((sum, value) => sum + value, 0),
    );
  }

  /** @param {string} text */
  #logProbabilities(text) {
    let scores = this.#scores.get(text);
    if (!scores) this.#scores.set(text, (scores = this.#compute(text)));
    return scores;
  }

  /** @param {string} text */
  async #compute(text) {
    const ids = await this.#scorer.tokenize(this.#context + text);
    return (await this.#scorer.score(ids, { signal: this.#signal })).log_probabilities;
  }
}
