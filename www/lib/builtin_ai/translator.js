/** This module makes `Translator`. */
import { dictionary, requiredText, signalOf } from './convert.js';
import { availability, create } from './creation.js';
import { asInterface } from './events.js';
import { bestFit, languageName, languageTag, supported } from './languages.js';
import { ModelObject } from './model_object.js';
import { give, isBlank, runTask } from './text_task.js';

/** @import { Kind } from './creation.js' */
/** @import { BuiltinAi } from './interfaces.js' */
/** @import { ModelHost } from './model_host.js' */

/** @typedef {{source: string, target: string}} Options */

/** The answer takes about as many tokens as the text. */
const INPUT_SHARE = 1 / 2;
/** A token is a letter or more, so that this is enough for a text twice as long as the input. */
const EXTRA_TOKENS = 64;

/** Only this module makes translators. */
const OWN = Symbol('own');

/**
 * Makes the class `Translator` over a model.
 *
 * @param {ModelHost} host
 * @returns {BuiltinAi['Translator']}
 */
export function makeTranslator(host) {
  /** A `Translator` translates from one language to another. */
  class Translator {
    #model;
    #options;

    /**
     * @param {unknown} own
     * @param {Options} options
     * @param {AbortSignal} [signal]
     */
    constructor(own, options, signal) {
      if (own !== OWN) throw new TypeError('Illegal constructor');
      this.#options = options;
      this.#model = new ModelObject(host.hold(), signal);
    }

    /** @param {object} options */
    static async availability(options) {
      return availability(host, kind, options);
    }

    /** @param {object} options */
    static async create(options) {
      return create(host, kind, options);
    }

    /** @param {string} input @param {object} [options] */
    async translate(input, options = {}) {
      const call = readCall(arguments, options);
      return this.#model.run(call.signal, (signal) => this.#run(call.input, signal));
    }

    /** @param {string} input @param {object} [options] */
    translateStreaming(input, options = {}) {
      const call = readCall(arguments, options);
      return this.#model.stream(call.signal, (signal, onText) =>
        this.#run(call.input, signal, onText),
      );
    }

    get sourceLanguage() {
      return this.#options.source;
    }

    get targetLanguage() {
      return this.#options.target;
    }

    /** @param {string} input @param {object} [options] */
    async measureInputUsage(input, options = {}) {
      const call = readCall(arguments, options);
      return this.#model.run(call.signal, async (signal) =>
        isIdentity(this.#options) ? 0 : host.count(this.#task(call.input).messages, signal),
      );
    }

    get inputQuota() {
      if (isIdentity(this.#options)) return Infinity;
      return Math.floor(host.context_tokens * INPUT_SHARE);
    }

    destroy() {
      this.#model.destroy();
    }

    /**
     * @param {string} input
     * @param {AbortSignal} signal
     * @param {(text: string) => void} [onText]
     */
    async #run(input, signal, onText) {
      if (isBlank(input) || isIdentity(this.#options)) return give(input, onText);
      return runTask(host, this.#task(input), signal, onText);
    }

    /** @param {string} input */
    #task(input) {
      const [from, to] = [this.#options.source, this.#options.target].map(languageName);
      const role = `You translate texts from ${from} to ${to}. You give the translation alone.`;
      const asked = `Translate the following text from ${from} to ${to}.\n\n${input}`;
      return {
        messages: [
          { role: /** @type {const} */ ('system'), content: role },
          { role: /** @type {const} */ ('user'), content: asked },
        ],
        quota: this.inputQuota,
        request: { temperature: 0, max_tokens: 2 * input.length + EXTRA_TOKENS },
      };
    }
  }

  /** @type {Kind<Options, Translator>} */
  const kind = {
    name: 'Translator',
    transient: true,
    read: readOptions,
    withoutModel: isIdentity,
    fits: (options) => {
      const tags = [options.source, options.target];
      const is_known = tags.every((tag) => supported(tag, host.languages));
      return is_known || isIdentity(options) ? 'available' : 'unavailable';
    },
    make: ({ source, target }, signal) => {
      const fitted = (/** @type {string} */ tag) => supported(tag, host.languages) ?? tag;
      const is_identity = isIdentity({ source, target });
      const options = is_identity
        ? { source, target }
        : { source: fitted(source), target: fitted(target) };
      return new Translator(OWN, options, signal);
    },
  };
  return asInterface('Translator', Translator);
}

/**
 * Returns whether a text is its own translation: one of the languages is a kind of the other.
 *
 * @param {Options} options
 */
function isIdentity({ source, target }) {
  return bestFit(source, [target]) !== undefined || bestFit(target, [source]) !== undefined;
}

/**
 * @param {Record<string, unknown>} options
 * @returns {Options}
 */
function readOptions(options) {
  for (const name of ['sourceLanguage', 'targetLanguage'])
    if (options[name] === undefined) throw new TypeError(`${name} is missing.`);
  const source = languageTag(options, 'sourceLanguage');
  const target = languageTag(options, 'targetLanguage');
  return { source: /** @type {string} */ (source), target: /** @type {string} */ (target) };
}

/**
 * @param {IArguments} given
 * @param {unknown} options
 */
function readCall(given, options) {
  return { input: requiredText(given), signal: signalOf(dictionary(options)) };
}
