/**
 * This module makes the interfaces that turn a text into another one, with a context: `Rewriter`,
 * `Writer` and `Summarizer` differ in their options and in what the model is told.
 */
import { dictionary, enumeration, optionalString, requiredText, signalOf } from './convert.js';
import { availability, create } from './creation.js';
import { asInterface } from './events.js';
import { languageTag, languageTags, supported } from './languages.js';
import { ModelObject } from './model_object.js';
import { frozenList, give, isBlank, runTask } from './text_task.js';

/** @import { Kind } from './creation.js' */
/** @import { ModelHost } from './model_host.js' */
/** @import { TextTask } from './text_task.js' */

/**
 * A `WritingKind` is what an interface has of its own.
 *
 * @typedef {object} WritingKind
 * @property {string} name of the interface
 * @property {string} method such as `rewrite`
 * @property {Record<string, {values: string[], initial: string}>} choices its options that are
 *   enumerations
 * @property {number} input_share how much of the context the input may take, from 0 to 1
 * @property {(input: string) => string} ofBlank what is made of an input of blanks alone
 * @property {(choices: Record<string, string>, texts: Texts) => Omit<TextTask, 'quota'>} task
 */

/**
 * `Texts` are what a task is made of.
 *
 * @typedef {object} Texts
 * @property {string} input
 * @property {string[]} contexts what the page says about the input, most general first
 * @property {string | undefined} language the tag of the language to write in, if it was given
 */

/**
 * @typedef {object} Options
 * @property {Record<string, string>} choices
 * @property {string | undefined} sharedContext
 * @property {string[] | undefined} inputs languages
 * @property {string[] | undefined} contexts languages
 * @property {string | undefined} output language
 */

/** Only this module makes objects of its classes. */
const OWN = Symbol('own');

/**
 * Makes the class of an interface over a model.
 *
 * @param {ModelHost} host
 * @param {WritingKind} writing
 * @returns {any} the class, whose type is in interfaces.js
 */
export function makeWritingInterface(host, writing) {
  const { name, method, choices } = writing;

  class WritingInterface {
    #model;
    #options;
    #inputs;
    #contexts;

    /**
     * @param {unknown} own
     * @param {Options} options
     * @param {AbortSignal} [signal]
     */
    constructor(own, options, signal) {
      if (own !== OWN) throw new TypeError('Illegal constructor');
      this.#options = options;
      this.#inputs = frozenList(options.inputs);
      this.#contexts = frozenList(options.contexts);
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
    async [method](input, options = {}) {
      const call = readCall(arguments, options);
      return this.#model.run(call.signal, (signal) => this.#run(call, signal));
    }

    /** @param {string} input @param {object} [options] */
    [`${method}Streaming`](input, options = {}) {
      const call = readCall(arguments, options);
      return this.#model.stream(call.signal, (signal, onText) => this.#run(call, signal, onText));
    }

    get sharedContext() {
      return this.#options.sharedContext ?? '';
    }

    get expectedInputLanguages() {
      return this.#inputs;
    }

    get expectedContextLanguages() {
      return this.#contexts;
    }

    get outputLanguage() {
      return this.#options.output ?? null;
    }

    /** @param {string} input @param {object} [options] */
    async measureInputUsage(input, options = {}) {
      const call = readCall(arguments, options);
      return this.#model.run(call.signal, (signal) =>
        host.count(this.#task(call).messages, signal),
      );
    }

    get inputQuota() {
      return Math.floor(host.context_tokens * writing.input_share);
    }

    destroy() {
      this.#model.destroy();
    }

    /** @param {Call} call @param {AbortSignal} signal @param {(text: string) => void} [onText] */
    async #run(call, signal, onText) {
      if (isBlank(call.input)) return give(writing.ofBlank(call.input));
      return runTask(host, { ...this.#task(call), quota: this.inputQuota }, signal, onText);
    }

    /** @param {Call} call */
    #task({ input, context }) {
      const { sharedContext, output: language } = this.#options;
      const contexts = [sharedContext, context].filter((it) => it !== undefined && !isBlank(it));
      return writing.task(this.#options.choices, {
        input,
        contexts: /** @type {string[]} */ (contexts),
        language,
      });
    }

    static {
      for (const choice of Object.keys(choices))
        Object.defineProperty(this.prototype, choice, {
          get() {
            return this.#options.choices[choice];
          },
          configurable: true,
        });
    }
  }

  /** @type {Kind<Options, WritingInterface>} */
  const kind = {
    name,
    read: (options) => ({
      choices: Object.fromEntries(
        Object.entries(choices).map(([choice, { values, initial }]) => [
          choice,
          enumeration(options, choice, values, initial),
        ]),
      ),
      sharedContext: optionalString(options, 'sharedContext'),
      inputs: languageTags(options, 'expectedInputLanguages'),
      contexts: languageTags(options, 'expectedContextLanguages'),
      output: languageTag(options, 'outputLanguage'),
    }),
    fits: ({ inputs = [], contexts = [], output }) => {
      const tags = [...inputs, ...contexts, ...(output === undefined ? [] : [output])];
      return tags.every((tag) => supported(tag, host.languages)) ? 'available' : 'unavailable';
    },
    make: ({ inputs, contexts, output, ...rest }, signal) => {
      const fitted = (/** @type {string} */ tag) =>
        /** @type {string} */ (supported(tag, host.languages));
      const languages = {
        inputs: inputs?.map(fitted),
        contexts: contexts?.map(fitted),
        output: output && fitted(output),
      };
      return new WritingInterface(OWN, { ...rest, ...languages }, signal);
    },
  };
  return asInterface(name, WritingInterface);
}

/**
 * @typedef {{input: string, context: string | undefined, signal: AbortSignal | undefined}} Call
 */

/**
 * @param {IArguments} given
 * @param {unknown} second
 * @returns {Call}
 */
function readCall(given, second) {
  const input = requiredText(given);
  const options = dictionary(second);
  return { input, context: optionalString(options, 'context'), signal: signalOf(options) };
}
