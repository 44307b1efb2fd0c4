/** This module makes `LanguageModel`, the interface of the Prompt API. */
import { readConstraint, withWish } from './constraint.js';
import { Conversation } from './conversation.js';
import { dictionary, enumeration, sequence, signalOf } from './convert.js';
import { availability, create } from './creation.js';
import { EventHandlers, asInterface } from './events.js';
import { languageTags, supported } from './languages.js';
import { ModelObject } from './model_object.js';
import { CONTENT_TYPES, checkPrompt, readPrompt } from './prompt_messages.js';
import { readTool } from './session_tools.js';

/** @import { Constraint } from './constraint.js' */
/** @import { State } from './conversation.js' */
/** @import { Kind } from './creation.js' */
/** @import { BuiltinAi } from './interfaces.js' */
/** @import { ModelHost } from './model_host.js' */
/** @import { PromptMessage } from './prompt_messages.js' */
/** @import { SessionTool } from './session_tools.js' */

/**
 * How each mode samples. `balanced` takes what a request takes without options.
 */
const SAMPLING = {
  'most-predictable': { temperature: 0 },
  predictable: { temperature: 0.3 },
  balanced: {},
  creative: { temperature: 1 },
  'most-creative': { temperature: 1.3 },
};
const MODES = /** @type {(keyof typeof SAMPLING)[]} */ (Object.keys(SAMPLING));

/**
 * @typedef {object} Expected
 * @property {(typeof CONTENT_TYPES)[number]} type
 * @property {string[]} [languages]
 */

/**
 * @typedef {object} Options
 * @property {keyof typeof SAMPLING} samplingMode
 * @property {Expected[]} expected of inputs and outputs
 * @property {SessionTool[]} tools
 * @property {PromptMessage[]} initialPrompts
 */

/**
 * @typedef {object} SessionOptions
 * @property {keyof typeof SAMPLING} mode
 * @property {SessionTool[]} tools
 * @property {AbortSignal} [signal] ends it
 * @property {State} [state] that it begins with
 */

/** Only this module makes sessions. */
const OWN = Symbol('own');

/**
 * Makes the class `LanguageModel` over a model.
 *
 * @param {ModelHost} host
 * @returns {BuiltinAi['LanguageModel']}
 */
export function makeLanguageModel(host) {
  /** @type {Kind<Options, LanguageModel>['make']} */
  let make;

  /**
   * A `LanguageModel` is a session with the model: it keeps what was said.
   */
  class LanguageModel extends EventTarget {
    #handlers = new EventHandlers(this);
    #model;
    #conversation;
    #mode;
    #tools;

    /**
     * @param {unknown} own
     * @param {SessionOptions} session
     */
    constructor(own, { mode, tools, signal, state }) {
      if (own !== OWN) throw new TypeError('Illegal constructor');
      super();
      this.#mode = mode;
      this.#tools = tools;
      this.#model = new ModelObject(host.hold(), signal);
      this.#conversation = new Conversation(host, () => this.#overflow(), state);
    }

    /**
     * Says whether a session with these options can be had, and whether the model must come first.
     *
     * @param {object} [options]
     */
    static async availability(options = {}) {
      return availability(host, kind, options);
    }

    /**
     * Makes a session, and loads the model for the first one.
     *
     * @param {object} [options]
     * @returns {Promise<LanguageModel>}
     */
    static async create(options = {}) {
      return create(host, kind, options);
    }

    /**
     * Answers a prompt.
     *
     * @param {unknown} input a string, or messages
     * @param {object} [options]
     * @returns {Promise<string>}
     */
    async prompt(input, options = {}) {
      const prompt = readArguments(arguments, options);
      return this.#model.run(prompt.signal, (signal) => this.#answer(prompt, signal));
    }

    /**
     * Answers a prompt in pieces.
     *
     * @param {unknown} input a string, or messages
     * @param {object} [options]
     * @returns {ReadableStream<string>}
     */
    promptStreaming(input, options = {}) {
      const prompt = readArguments(arguments, options);
      return this.#model.stream(prompt.signal, (signal, onText) =>
        this.#answer(prompt, signal, onText),
      );
    }

    /**
     * Adds messages to the session, which the model reads before the next prompt.
     *
     * @param {unknown} input a string, or messages
     * @param {object} [options]
     * @returns {Promise<void>}
     */
    async append(input, options = {}) {
      const prompt = readArguments(arguments, options);
      return this.#model.run(prompt.signal, (signal) =>
        this.#conversation.inTurn(() => this.#conversation.append(this.#check(prompt), signal)),
      );
    }

    /**
     * Counts the tokens that a prompt would take.
     *
     * @param {unknown} input a string, or messages
     * @param {object} [options]
     * @returns {Promise<number>}
     */
    async measureContextUsage(input, options = {}) {
      return this.#measure(readArguments(arguments, options));
    }

    /**
     * The name that `measureContextUsage` had before.
     *
     * @param {unknown} input
     * @param {object} [options]
     */
    async measureInputUsage(input, options = {}) {
      return this.#measure(readArguments(arguments, options));
    }

    /** How many tokens the session holds. */
    get contextUsage() {
      return this.#conversation.tokens;
    }

    /** How many tokens the session can hold. */
    get contextWindow() {
      return this.#conversation.window;
    }

    /** The name that `contextUsage` had before. */
    get inputUsage() {
      return this.contextUsage;
    }

    /** The name that `contextWindow` had before. */
    get inputQuota() {
      return this.contextWindow;
    }

    /** How the model chooses among likely words. */
    get samplingMode() {
      return this.#mode;
    }

    /** What is called when the oldest turns were dropped. */
    get oncontextoverflow() {
      return this.#handlers.get('contextoverflow');
    }

    set oncontextoverflow(value) {
      this.#handlers.set('contextoverflow', value);
    }

    /** The name that `oncontextoverflow` had before. */
    get onquotaoverflow() {
      return this.#handlers.get('quotaoverflow');
    }

    set onquotaoverflow(value) {
      this.#handlers.set('quotaoverflow', value);
    }

    /**
     * Makes another session that begins with what this one holds.
     *
     * @param {object} [options]
     * @returns {Promise<LanguageModel>}
     */
    async clone(options = {}) {
      const signal = signalOf(dictionary(options));
      return this.#model.run(signal, async (signal) => {
        await null;
        // What is aborted at once makes no session, which would keep the model.
        if (signal.aborted) throw signal.reason;
        const [mode, tools, { state }] = [this.#mode, this.#tools, this.#conversation];
        return new LanguageModel(OWN, { mode, tools, state });
      });
    }

    /** Ends the session and its calls, which fail with `AbortError`. */
    destroy() {
      this.#model.destroy();
    }

    /**
     * Reads the messages that a session begins with.
     *
     * @param {PromptMessage[]} prompts
     * @param {AbortSignal | undefined} given
     */
    #begin(prompts, given) {
      return this.#model.run(given, (signal) =>
        this.#conversation.append(checkPrompt(prompts, false), signal, true),
      );
    }

    /**
     * @param {Prompt} prompt
     * @param {AbortSignal} signal
     * @param {(text: string) => void} [onText]
     */
    #answer(prompt, signal, onText) {
      return this.#conversation.inTurn(() =>
        this.#conversation.prompt(this.#check(prompt), {
          ...SAMPLING[this.#mode],
          ...prompt.constraint?.fields,
          tools: prompt.constraint ? [] : this.#tools,
          continue_final_message: prompt.input.at(-1)?.prefix,
          signal,
          onText,
        }),
      );
    }

    /** @param {Prompt} prompt */
    #check({ input, constraint }) {
      return withWish(checkPrompt(input, this.#conversation.tokens > 0), constraint);
    }

    /** @param {Prompt} prompt */
    #measure({ input, constraint, signal }) {
      return this.#model.run(signal, async (signal) => {
        return host.count(withWish(checkPrompt(input, false), constraint), signal);
      });
    }

    #overflow() {
      for (const type of ['contextoverflow', 'quotaoverflow']) this.dispatchEvent(new Event(type));
    }

    static {
      make = async ({ samplingMode: mode, tools, initialPrompts }, signal) => {
        const session = new LanguageModel(OWN, { mode, tools, signal });
        try {
          if (initialPrompts.length > 0) await session.#begin(initialPrompts, signal);
        } catch (error) {
          session.destroy();
          throw error;
        }
        return session;
      };
    }
  }

  const kind = { name: 'LanguageModel', read: readOptions, fits, make };
  return asInterface('LanguageModel', LanguageModel);

  /** @param {Options} options */
  function fits({ expected }) {
    const is_known = expected.every(
      ({ type, languages = [] }) =>
        type === 'text' && languages.every((tag) => supported(tag, host.languages)),
    );
    return is_known ? 'available' : 'unavailable';
  }
}

/**
 * @typedef {object} Prompt
 * @property {PromptMessage[]} input
 * @property {Constraint | undefined} constraint
 * @property {AbortSignal | undefined} signal
 */

/**
 * Reads the arguments of `prompt` and the methods like it.
 *
 * @param {IArguments} given
 * @param {unknown} second
 * @returns {Prompt}
 * @throws {TypeError | DOMException} `NotSupportedError` for a constraint that is none
 */
function readArguments(given, second) {
  if (given.length === 0) throw new TypeError('1 argument is required, and there is none.');
  const options = dictionary(second);
  const { responseConstraint: constraint } = options;
  if (constraint !== undefined && (typeof constraint !== 'object' || constraint === null))
    throw new TypeError('responseConstraint must be an object.');
  if (options.omitResponseConstraintInput && !constraint)
    throw new TypeError('omitResponseConstraintInput goes with responseConstraint.');
  return {
    input: readPrompt(given[0]),
    constraint:
      constraint && readConstraint(constraint, Boolean(options.omitResponseConstraintInput)),
    signal: signalOf(options),
  };
}

/**
 * @param {Record<string, unknown>} options
 * @returns {Options}
 */
function readOptions(options) {
  const samplingMode = enumeration(options, 'samplingMode', MODES, 'balanced');
  const expected = ['expectedInputs', 'expectedOutputs'].flatMap(
    (name) => sequence(options, name, readExpected) ?? [],
  );
  const tools = sequence(options, 'tools', readTool) ?? [];
  const given = sequence(options, 'initialPrompts', (it) => it) ?? [];
  const initialPrompts = given.length > 0 ? readPrompt(given) : [];
  checkPrompt(initialPrompts, false);
  return { samplingMode, expected, tools, initialPrompts };
}

/**
 * @param {unknown} given
 * @returns {Expected}
 */
function readExpected(given) {
  const expected = dictionary(given);
  return {
    type: enumeration(expected, 'type', CONTENT_TYPES),
    languages: languageTags(expected, 'languages'),
  };
}
