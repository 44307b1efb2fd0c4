/** This module makes `Proofreader`. */
import { dictionary, requiredText, signalOf } from './convert.js';
import { availability, create } from './creation.js';
import { asInterface } from './events.js';
import { languageTag, languageTags, supported } from './languages.js';
import { ModelObject } from './model_object.js';
import { frozenList, isBlank } from './text_task.js';

/** @import { Kind } from './creation.js' */
/** @import { BuiltinAi, CorrectionType } from './interfaces.js' */
/** @import { ModelHost } from './model_host.js' */
/** @import { Siskin } from '../siskin.js' */

/**
 * @typedef {object} Options
 * @property {boolean} types
 * @property {boolean} explanations
 * @property {string[] | undefined} inputs languages
 * @property {string | undefined} explanation language
 */

/**
 * A `Proofread` corrects a text.
 *
 * @typedef {(
 *   siskin: Siskin,
 *   text: string,
 *   options: {languages?: string[], signal?: AbortSignal},
 * ) => ReturnType<Siskin['proofread']>} Proofread
 */

/** @type {Proofread} */
const withSiskin = (siskin, text, options) => siskin.proofread(text, options);

/** `siskin.proofread` knows these languages. */
const LANGUAGES = ['en', 'es', 'de', 'fr'];
/** @type {CorrectionType[]} */
const TYPES = ['spelling', 'punctuation', 'capitalization', 'grammar'];

/** Only this module makes proofreaders. */
const OWN = Symbol('own');

/**
 * Makes the class `Proofreader` over a model.
 *
 * @param {ModelHost} host
 * @param {Proofread} [proofread] corrects a text
 * @returns {BuiltinAi['Proofreader']}
 */
export function makeProofreader(host, proofread = withSiskin) {
  /** A `Proofreader` corrects texts. */
  class Proofreader {
    #model;
    #options;
    #inputs;

    /**
     * @param {unknown} own
     * @param {Options} options
     * @param {AbortSignal} [signal]
     */
    constructor(own, options, signal) {
      if (own !== OWN) throw new TypeError('Illegal constructor');
      this.#options = options;
      this.#inputs = frozenList(options.inputs);
      this.#model = new ModelObject(host.hold(), signal);
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
    async proofread(input, options = {}) {
      const text = requiredText(arguments);
      const given = signalOf(dictionary(options));
      return this.#model.run(given, (signal) => this.#proofread(text, signal));
    }

    get includeCorrectionTypes() {
      return this.#options.types;
    }

    get includeCorrectionExplanations() {
      return this.#options.explanations;
    }

    get expectedInputLanguages() {
      return this.#inputs;
    }

    get correctionExplanationLanguage() {
      return this.#options.explanation ?? null;
    }

    /** @param {string} input @param {object} [options] */
    async measureInputUsage(input, options = {}) {
      requiredText(arguments);
      // The text is corrected a sentence at a time, so that there is no limit.
      return this.#model.run(signalOf(dictionary(options)), async () => 0);
    }

    get inputQuota() {
      return Infinity;
    }

    destroy() {
      this.#model.destroy();
    }

    /** @param {string} text @param {AbortSignal} signal */
    async #proofread(text, signal) {
      // The browsers' tests want no list where there was nothing to read.
      if (isBlank(text)) return { correctedInput: text };
      const siskin = await host.acquire({ signal });
      const languages = this.#inputs ? [...this.#inputs] : undefined;
      const { correctedInput, corrections } = await proofread(siskin, text, { languages, signal });
      const shown = corrections.map(({ startIndex, endIndex, correction, types }) => ({
        startIndex,
        endIndex,
        correction,
        ...(this.#options.types && { types: knownTypes(types) }),
      }));
      shown.sort((a, b) => a.startIndex - b.startIndex);
      return { correctedInput, corrections: shown };
    }
  }

  /** @type {Kind<Options, Proofreader>} */
  const kind = {
    name: 'Proofreader',
    read: (options) => ({
      types: Boolean(options.includeCorrectionTypes),
      explanations: Boolean(options.includeCorrectionExplanations),
      inputs: languageTags(options, 'expectedInputLanguages'),
      explanation: languageTag(options, 'correctionExplanationLanguage'),
    }),
    fits: ({ explanations, inputs = [], explanation }) => {
      const tags = [...inputs, ...(explanation === undefined ? [] : [explanation])];
      const is_known =
        tags.every((tag) => supported(tag, host.languages)) &&
        inputs.every((tag) => supported(tag, LANGUAGES));
      return is_known && !explanations ? 'available' : 'unavailable';
    },
    make: ({ inputs, ...rest }, signal) => {
      const fitted = inputs?.map((tag) => /** @type {string} */ (supported(tag, host.languages)));
      return new Proofreader(OWN, { ...rest, inputs: fitted }, signal);
    },
  };
  return asInterface('Proofreader', Proofreader);
}

/**
 * Returns the draft's types of a correction: one that it lacks is `grammar`.
 *
 * @param {string[] | undefined} types
 * @returns {CorrectionType[]}
 */
function knownTypes(types = []) {
  const known = new Set(types.map((type) => TYPES.find((it) => it === type) ?? 'grammar'));
  return known.size > 0 ? [...known] : ['grammar'];
}
