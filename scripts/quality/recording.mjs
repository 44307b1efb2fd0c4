// This module keeps what a model says in a file, so that what is chosen among its candidates can be
// tried again without running it: thresholds, guards and lists change little of what is asked.

import { appendFileSync, existsSync, readFileSync, statSync, truncateSync } from 'node:fs';

/** @import { Model } from '../../www/lib/writing/correct.js' */

/** A `Recording` is a file of lines `{key, value}`: a call, and what it resolved to. */
export class Recording {
  #file;
  /** @type {Map<string, any>} */
  #known = new Map();
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
      this.#known.set(key, value);
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
    const once = async (/** @type {unknown[]} */ call, /** @type {(it: Model) => any} */ ask) => {
      const key = JSON.stringify(call);
      if (!this.#known.has(key)) {
        this.misses++;
        const value = await ask(await loaded());
        this.#known.set(key, value);
        appendFileSync(this.#file, `${JSON.stringify({ key, value })}\n`);
      }
      return structuredClone(this.#known.get(key));
    };
    const create = async (/** @type {any} */ { signal: _, ...request }) =>
      once(['create', request], async (it) => {
        const { choices } = await it.chat.completions.create(request);
        return { choices };
      });
    return /** @type {any} */ ({
      chat: { completions: { create } },
      prefix: async (...call) => {
        if (loading) await (await loading).prefix(...call);
        else prefixes.push(call);
      },
      tokenize: async (text) =>
        Uint32Array.from(
          await once(['tokenize', text], async (it) => [...(await it.tokenize(text))]),
        ),
      detokenize: (ids) => once(['detokenize', [...ids]], (it) => it.detokenize(ids)),
      score: (ids, { from } = {}) =>
        once(['score', [...ids], from], async (it) => {
          const { log_probabilities, most_likely } = await it.score(ids, { from });
          return { log_probabilities: [...log_probabilities], most_likely: [...most_likely] };
        }),
    });
  }
}
