// This module keeps what a model says in a file, so that what is chosen among its candidates can be
// tried again without running it: thresholds, guards and lists change little of what is asked.

import { appendFileSync, existsSync, readFileSync, statSync, truncateSync } from 'node:fs';

/** @import { Model } from '../../www/lib/writing/correct.js' */

/** A `Recording` is a file of lines `{key, value}`: a call, and what it resolved to. */
export class Recording {
  #file;
  /** @type {Map<string, any>} */
  #known = new Map();
  /**
   * What is known of each token that was scored, by all tokens until it: how much of a text is
   * scored at once depends on what was scored before.
   *
   * @type {Map<string, [log_probability: number, most_likely: number]>}
   */
  #tokens = new Map();
  /** How many calls the file had no answer to. */
  misses = 0;

  /** @param {string} file */
  constructor(file) {
    this.#file = file;
    if (!existsSync(file)) return;
    const lines = readFileSync(file, 'utf8').split('\n');
    // The last line of a run that was killed is cut.
    const cut = Buffer.byteLength(lines.pop() ?? '');
    if (cut > 0) truncateSync(file, statSync(file).size - cut);
    for (const line of lines) {
      const { key, value } = JSON.parse(line);
      this.#learn(key, value);
    }
  }

  /**
   * Returns a model that answers from the file, and asks `load`'s model what the file does not know.
   *
   * @param {() => Promise<Model>} load is called at most once
   * @returns {Model}
   */
  model(load) {
    /** @type {Promise<Model> | undefined} */
    let loading;
    /** Beginnings that a model which is not loaded yet must keep. @type {any[][]} */
    const prefixes = [];
    const loaded = () =>
      (loading ??= load().then(async (it) => {
        for (const call of prefixes) await it.prefix(...call);
        return it;
      }));
    const ask = async (/** @type {unknown[]} */ call, /** @type {(it: Model) => any} */ run) => {
      this.misses++;
      const [key, value] = [JSON.stringify(call), await run(await loaded())];
      appendFileSync(this.#file, `${JSON.stringify({ key, value })}\n`);
      this.#learn(key, value);
    };
    const once = async (/** @type {unknown[]} */ call, /** @type {(it: Model) => any} */ run) => {
      const key = JSON.stringify(call);
      if (!this.#known.has(key)) await ask(call, run);
      return structuredClone(this.#known.get(key));
    };
    return /** @type {any} */ ({
      chat: {
        completions: {
          create: ({ signal: _, ...request }) =>
            once(['create', request], async (it) => {
              const { choices } = await it.chat.completions.create(request);
              return { choices };
            }),
        },
      },
      prefix: async (...call) => {
        if (loading) await (await loading).prefix(...call);
        else prefixes.push(call);
      },
      tokenize: async (text) =>
        Uint32Array.from(
          await once(['tokenize', text], async (it) => [...(await it.tokenize(text))]),
        ),
      detokenize: (ids) => once(['detokenize', [...ids]], (it) => it.detokenize(ids)),
      score: async (given, { from = 1 } = {}) => {
        const ids = [...given];
        if (!this.#scored(ids, from))
          await ask(['score', ids, from], async (it) => {
            const { log_probabilities, most_likely } = await it.score(ids, { from });
            return { log_probabilities: [...log_probabilities], most_likely: [...most_likely] };
          });
        const found = this.#scored(ids, from) ?? [];
        return {
          log_probabilities: found.map(([log_probability]) => log_probability),
          most_likely: found.map(([, most_likely]) => most_likely),
        };
      },
    });
  }

  /**
   * @param {string} key
   * @param {any} value
   */
  #learn(key, value) {
    const [name, ids, from] = JSON.parse(key);
    if (name !== 'score') return this.#known.set(key, value);
    value.log_probabilities.forEach((/** @type {number} */ log_probability, index) =>
      this.#tokens.set(ids.slice(0, from + index + 1).join(), [
        log_probability,
        value.most_likely[index],
      ]),
    );
  }

  /**
   * Returns what is known of a text's tokens, or undefined where one of them was not scored.
   *
   * @param {number[]} ids
   * @param {number} from
   */
  #scored(ids, from) {
    const found = ids
      .slice(from)
      .map((_, index) => this.#tokens.get(ids.slice(0, from + index + 1).join()));
    return found.every((it) => it) ? found : undefined;
  }
}
