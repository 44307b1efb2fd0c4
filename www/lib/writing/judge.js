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
 * @property {(ids: Iterable<number>) => Promise<string>} detokenize
 * @property {(
 *   ids: Iterable<number>,
 *   options?: {from?: number, signal?: AbortSignal | null},
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

/**
 * A `Scored` text has the log-probability of each of its tokens but the first after those before
 * it, `[ids.length - 1]`, and the most likely token in its place. Tokens of what stands before all
 * texts count nothing.
 *
 * @typedef {{ids: Uint32Array, values: number[], best: number[]}} Scored
 */

/**
 * A `Judge` scores texts, each of them once. What a text begins with as one before it did is not
 * computed again.
 */
export class Judge {
  #scorer;
  #context;
  #signal;
  /** @type {Map<string, Promise<Scored>>} */
  #scores = new Map();
  /** @type {Scored[]} */
  #scored = [];

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
    return (await this.#scoredText(text)).values.reduce((sum, value) => sum + value, 0);
  }

  /**
   * Returns for each word or sign how unlikely it is after what stands before it, the negative
   * natural logarithm of its probability, and what is likeliest to begin there, `[tokens.length]`.
   *
   * @param {string} text
   * @param {readonly Token[]} tokens of the text, in order
   * @returns {Promise<{surprise: number, likeliest: string}[]>}
   */
  async surprises(text, tokens) {
    const { values, best } = await this.#scoredText(text);
    const begins = await Promise.all(
      tokens.map(async ({ start, glued }) => {
        // A space belongs to the word after it.
        const before = this.#context + text.slice(0, glued || start === 0 ? start : start - 1);
        return (await this.#scorer.tokenize(before)).length - 1;
      }),
    );
    return Promise.all(
      begins.map(async (begin, index) => ({
        surprise: -values
          .slice(begin, begins[index + 1] ?? values.length)
          .reduce((sum, value) => sum + value, 0),
        likeliest: await this.#scorer.detokenize(best.slice(begin, begin + 1)),
      })),
    );
  }

  /** @param {string} text */
  #scoredText(text) {
    let scores = this.#scores.get(text);
    if (!scores) this.#scores.set(text, (scores = this.#compute(text)));
    return scores;
  }

  /** @param {string} text */
  async #compute(text) {
    if (this.#scored.length === 0) {
      const ids = await this.#scorer.tokenize(this.#context);
      const values = Array(ids.length - 1).fill(0);
      this.#scored.push({ ids, values, best: values });
    }
    const ids = await this.#scorer.tokenize(this.#context + text);
    const shared = this.#scored.map((other) => ({ other, from: commonLength(ids, other.ids) }));
    const { other, from } = shared.reduce((a, b) => (b.from > a.from ? b : a));
    const [values, best] = [other.values, other.best].map((list) => list.slice(0, from - 1));
    if (from < ids.length) {
      const scores = await this.#scorer.score(ids, { from, signal: this.#signal });
      values.push(...scores.log_probabilities);
      best.push(...scores.most_likely.slice(0, ids.length - from));
    }
    const scored = { ids, values, best };
    this.#scored.push(scored);
    return scored;
  }
}

/**
 * @param {Uint32Array} a
 * @param {Uint32Array} b
 */
function commonLength(a, b) {
  const end = a.findIndex((id, index) => id !== b[index]);
  return end < 0 ? a.length : end;
}
