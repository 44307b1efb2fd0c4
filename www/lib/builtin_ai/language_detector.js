/** This module makes `LanguageDetector`, which needs no model. */
import { dictionary, requiredText, signalOf } from './convert.js';
import { availability, create } from './creation.js';
import { asInterface } from './events.js';
import { exception } from './exceptions.js';
import { bestFit, languageTags } from './languages.js';
import { ModelObject } from './model_object.js';
import { frozenList } from './text_task.js';
import { DETECTED } from './detected_languages.js';

/** @import { Kind } from './creation.js' */
/** @import { BuiltinAi, LanguageDetectionResult } from './interfaces.js' */
/** @import { ModelHost } from './model_host.js' */

/** @typedef {{inputs: string[] | undefined}} Options */
/** @typedef {(text: string) => {confidences: Map<string, number>, unknown: number}} Detect */

/** Languages after those that are this likely together are noise. */
const ENOUGH = 0.99;

/** Only this module makes detectors. */
const OWN = Symbol('own');

/**
 * Makes the class `LanguageDetector`.
 *
 * @param {ModelHost} host
 * @returns {BuiltinAi['LanguageDetector']}
 */
export function makeLanguageDetector(host) {
  /** A `LanguageDetector` says in which language a text is. */
  class LanguageDetector {
    #model;
    #detect;
    #inputs;

    /**
     * @param {unknown} own
     * @param {Options & {detect: Detect}} options
     * @param {AbortSignal} [signal]
     */
    constructor(own, { inputs, detect }, signal) {
      if (own !== OWN) throw new TypeError('Illegal constructor');
      this.#detect = detect;
      this.#inputs = frozenList(inputs);
      this.#model = new ModelObject(() => {}, signal);
    }

    /** @param {object} [options] */
    static async availability(options = {}) {
      return availability(host, kind, options);
    }

    /** @param {object} [options] */
    static async create(options = {}) {
      return create(host, kind, options);
    }

    /** @param {string} input @param {object} [options] */
    async detect(input, options = {}) {
      const text = requiredText(arguments);
      return this.#model.run(signalOf(dictionary(options)), async () => {
        await afterTask();
        return resultsOf(this.#detect(text));
      });
    }

    get expectedInputLanguages() {
      return this.#inputs;
    }

    /** @param {string} input @param {object} [options] */
    async measureInputUsage(input, options = {}) {
      requiredText(arguments);
      return this.#model.run(signalOf(dictionary(options)), async () => {
        await afterTask();
        return 0;
      });
    }

    get inputQuota() {
      return Infinity;
    }

    destroy() {
      this.#model.destroy();
    }
  }

  /** @type {Kind<Options, LanguageDetector>} */
  const kind = {
    name: 'LanguageDetector',
    transient: true,
    read: (options) => ({ inputs: languageTags(options, 'expectedInputLanguages') }),
    withoutModel: () => true,
    fits: ({ inputs = [] }) =>
      inputs.every((tag) => bestFit(tag, DETECTED)) ? 'available' : 'unavailable',
    make: async ({ inputs }, signal) => {
      const { detect } = await import('./detect.js').catch((cause) => {
        throw exception('NetworkError', 'A part of Siskin did not load.', cause);
      });
      const fitted = inputs?.map((tag) => /** @type {string} */ (bestFit(tag, DETECTED)));
      return new LanguageDetector(OWN, { inputs: fitted, detect }, signal);
    },
  };
  return asInterface('LanguageDetector', LanguageDetector);
}

/**
 * Puts results in the order of the draft: the likeliest first, none that is less likely than no
 * known language, and `und` last.
 *
 * @param {ReturnType<Detect>} detected
 * @returns {LanguageDetectionResult[]}
 */
export function resultsOf({ confidences, unknown }) {
  const sorted = [...confidences].sort(([, a], [, b]) => b - a);
  const results = [];
  let sum = 0;
  for (const [detectedLanguage, confidence] of sorted) {
    if (confidence === 0 || confidence < unknown || sum >= ENOUGH) break;
    results.push({ detectedLanguage, confidence });
    sum += confidence;
  }
  // The sum of all is at most 1, however it is rounded.
  const rest = Math.min(unknown, 1 - sum);
  return [...results, { detectedLanguage: 'und', confidence: rest }];
}

/** Waits until the callers of now have gone on: what they abort then is aborted in time. */
function afterTask() {
  return new Promise((resolve) => setTimeout(resolve));
}
