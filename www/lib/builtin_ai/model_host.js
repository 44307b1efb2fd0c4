/**
 * This module loads the model that all interfaces share: at the first `create`, once for all, and
 * lets go of it some time after the last object was destroyed.
 */
import { codeOf } from '../errors.js';
import { Siskin, models } from '../siskin.js';
import { joinSignals, orAborted } from './signals.js';

/** @import { LoadOptions } from '../load_options.js' */
/** @import { ToolCallDelta } from '../chat/structured_types.js' */
/** @import { ChatMessage, ChatRequest, LoadProgress } from '../protocol.js' */
/** @import { ModelSource } from '../siskin.js' */

/** @typedef {'unavailable' | 'downloadable' | 'downloading' | 'available'} Availability */

/**
 * `HostOptions` say which model answers.
 *
 * @typedef {object} HostOptions
 * @property {ModelSource | Siskin} model what `Siskin.load` takes, or a model that is loaded
 * @property {Omit<LoadOptions, 'signal' | 'fallback'>} [loadOptions] for `Siskin.load`
 * @property {string[]} [languages] BCP 47 tags of the languages that the model is good for; the
 *   interfaces are `unavailable` in others. By default any language is tried
 */

/**
 * A `Waiter` waits for the model.
 *
 * @typedef {(progress: LoadProgress) => void} Waiter
 */

/** The model stays for the next `create` this long after the last object was destroyed. */
const KEEP_MS = 60_000;

/** After these codes another load of the same model fails as well. */
const FINAL = [
  'architecture',
  'gguf_malformed',
  'gguf_split',
  'gguf_version',
  'html_not_model',
  'invalid_argument',
  'no_simd',
  'not_gguf',
  'template',
  'tensor_missing',
  'tensor_shape',
  'tensor_type',
  'tokenizer',
  'unsupported',
];

/** A `ModelHost` has one model. */
export class ModelHost {
  #source;
  #load_options;
  #languages;
  /** The model, once it is loaded. @type {Siskin | undefined} */
  #siskin;
  /** @type {Promise<Siskin> | undefined} */
  #loading;
  #stopping = new AbortController();
  /** @type {Set<Waiter>} */
  #waiters = new Set();
  #error_code = '';
  #objects = 0;
  /** It is still told after the model was let go of. */
  #context_tokens = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HostOptions} options */
  constructor({ model, loadOptions = {}, languages }) {
    if (model === undefined || model === null)
      throw new TypeError('Name the model: {model: "/models/model.gguf"}, or a loaded Siskin.');
    this.#source = model;
    this.#load_options = loadOptions;
    this.#languages = languages?.map((tag) => Intl.getCanonicalLocales(tag)[0]);
  }

  /** The languages that the model is good for, if they are known. */
  get languages() {
    return this.#languages;
  }

  /**
   * Returns whether the model can answer, or what is missing.
   *
   * @returns {Promise<Availability>}
   */
  async availability() {
    if (this.#siskin) return this.#siskin.info.has_chat_template ? 'available' : 'unavailable';
    if (isSiskin(this.#source)) return this.#availabilityOf(this.#source);
    if (!globalThis.Worker || !globalThis.WebAssembly || FINAL.includes(this.#error_code))
      return 'unavailable';
    if (await this.#isStored()) return 'available';
    return this.#loading ? 'downloading' : 'downloadable';
  }

  /**
   * @param {Siskin} siskin
   * @returns {Availability}
   */
  #availabilityOf(siskin) {
    try {
      return siskin.info.has_chat_template ? 'available' : 'unavailable';
    } catch (error) {
      // With `fallback`, a model is given before it is loaded.
      return codeOf(error) === 'not_loaded' ? 'downloading' : 'unavailable';
    }
  }

  /** Returns whether the model loads without a request. */
  async #isStored() {
    const source = /** @type {any} */ (this.#source);
    const kind = Object.prototype.toString.call(source).slice(8, -1);
    if (kind === 'Blob' || kind === 'File') return true;
    if (!['String', 'URL', 'Request'].includes(kind)) return false;
    const { cacheKey, sha256, storage } = this.#load_options;
    if (storage === 'memory') return false;
    try {
      return await models.has(source, { cacheKey, sha256 });
    } catch {
      // Where nothing is stored, nothing can be asked; the load says what is wrong.
      return false;
    }
  }

  /**
   * Returns the model, and loads it where nobody has. When all that wait for it have gone, the load
   * ends; what has arrived stays.
   *
   * @param {{signal?: AbortSignal, onProgress?: Waiter}} options
   * @returns {Promise<Siskin>}
   * @throws {SiskinError} as `Siskin.load`; the reason of the signal
   */
  async acquire({ signal, onProgress = () => {} }) {
    if (this.#siskin) return this.#siskin;
    const waiter = (/** @type {LoadProgress} */ progress) => onProgress(progress);
    this.#waiters.add(waiter);
    try {
      this.#loading ??= this.#load();
      return await orAborted(this.#loading, signal);
    } finally {
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0 && !this.#siskin) this.#stop();
    }
  }

  /** Ends the load that nobody waits for. */
  #stop() {
    this.#stopping.abort();
    this.#loading = undefined;
  }

  async #load() {
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    if (isSiskin(this.#source)) {
      await this.#source.ready;
      return (this.#siskin = this.#source);
    }
    const own = this.#load_options.onProgress;
    try {
      const siskin = await Siskin.load(this.#source, {
        ...this.#load_options,
        signal,
        onProgress: (progress) => {
          own?.(progress);
          for (const waiter of this.#waiters) waiter(progress);
        },
      });
      if (!signal.aborted) return (this.#siskin = siskin);
      await siskin.unload();
      throw signal.reason;
    } catch (error) {
      if (!signal.aborted) {
        this.#error_code = codeOf(error) ?? '';
        this.#loading = undefined;
      }
      throw error;
    }
  }

  /**
   * Keeps the model for an object, until the function that is returned is called.
   *
   * @returns {() => void}
   */
  hold() {
    clearTimeout(this.#timer);
    this.#objects += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#objects -= 1;
      if (this.#objects > 0 || isSiskin(this.#source)) return;
      this.#timer = setTimeout(() => this.#unload(), KEEP_MS);
      // Node would wait for the timer.
      /** @type {any} */ (this.#timer).unref?.();
    };
  }

  #unload() {
    const siskin = this.#siskin;
    this.#siskin = this.#loading = undefined;
    void siskin?.unload();
  }

  /**
   * Counts the tokens of messages, with those that the chat template adds. Of messages that it
   * refuses, the contents are counted.
   *
   * @param {ChatMessage[]} messages
   * @param {AbortSignal} signal
   * @returns {Promise<number>}
   */
  async count(messages, signal) {
    const siskin = await this.acquire({ signal });
    try {
      return await siskin.countTokens(messages, { signal });
    } catch (error) {
      if (codeOf(error) !== 'template') throw error;
      const texts = messages.map(({ content }) => siskin.tokenize(String(content)));
      return (await Promise.all(texts)).reduce((sum, { length }) => sum + length, 0);
    }
  }

  /**
   * Answers messages.
   *
   * @param {ChatMessage[]} messages
   * @param {AnswerOptions} options
   * @returns {Promise<Answer>}
   * @throws {SiskinError} as `chat.completions.create`; the reason of the signal
   */
  async answer(messages, { signal, onStart = () => {}, onText = () => {}, ...request }) {
    const joined = joinSignals([signal]);
    try {
      const siskin = await this.acquire({ signal });
      const chunks = await siskin.chat.completions.create({
        ...request,
        messages,
        signal: joined.signal,
        stream: true,
      });
      onStart();
      let text = '';
      /** @type {ToolCallDelta[]} */
      const tool_calls = [];
      for await (const { choices, usage } of chunks) {
        const { content, tool_calls: calls = [] } = choices[0]?.delta ?? {};
        text += content ?? '';
        if (content) onText(content);
        tool_calls.push(...calls);
        if (!usage) continue;
        const { prompt_tokens, completion_tokens } = usage;
        return { text, tool_calls, prompt_tokens, completion_tokens };
      }
      throw new Error('The answer has no end.');
    } finally {
      joined.close();
    }
  }

  /**
   * How many tokens prompt and answer may have together.
   *
   * @returns {number}
   */
  get context_tokens() {
    this.#context_tokens = this.#siskin?.info.context_tokens ?? this.#context_tokens;
    return this.#context_tokens;
  }
}

/**
 * @typedef {object} AnswerOptions
 * @property {AbortSignal} signal
 * @property {() => void} [onStart] is called when the engine has taken the messages
 * @property {(text: string) => void} [onText] is called with each piece of the answer
 * @property {number} [max_tokens]
 * @property {number} [temperature]
 * @property {number} [top_p]
 * @property {ChatRequest['tools']} [tools]
 * @property {ChatRequest['tool_choice']} [tool_choice]
 * @property {ChatRequest['regex']} [regex]
 * @property {ChatRequest['response_format']} [response_format]
 * @property {boolean} [continue_final_message] whether the answer goes on with the last message
 */

/**
 * @typedef {object} Answer
 * @property {string} text
 * @property {ToolCallDelta[]} tool_calls the calls that it consists of
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 */

/**
 * Returns whether a value is a loaded model, also one of another copy of the library.
 *
 * @param {unknown} value
 * @returns {value is Siskin}
 */
function isSiskin(value) {
  return typeof (/** @type {any} */ (value)?.chat?.completions?.create) === 'function';
}
