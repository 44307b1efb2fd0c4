/** This module holds the members of `Siskin` that OpenAI's library has too. */
import { chat, importChat, importOpenAI } from './lazy.js';

/** @import { Ask, Completions } from './chat/completions.js' */
/** @import { LoadedModel } from './engine/engines.js' */
/** @import { CountTokens } from './openai/count_tokens.js' */
/** @import { Embeddings } from './openai/embeddings.js' */
/** @import { Models } from './openai/model_list.js' */
/** @import { TextCompletions } from './openai/text_completions.js' */

/** `Siskin` extends this class. */
export class OpenAIMembers {
  /**
   * Applications use `Siskin.load` instead of the constructor.
   *
   * @param {{ask: Ask, model: (signal?: AbortSignal) => Promise<LoadedModel>}} host
   */
  constructor({ ask, model }) {
    // Calls of one page keep their order: once the code is there, nothing is waited for.
    const method =
      (/** @type {'create' | 'runTools'} */ name) =>
      async (/** @type {[any]} */ ...given) =>
        new (chat ?? (await importChat())).Completions(ask)[name](...given);
    const completions = { create: method('create'), runTools: method('runTools') };
    /** Answers conversations, in the shape of OpenAI's API. */
    this.chat = Object.freeze({ completions: /** @type {Completions} */ (completions) });
    const host = { chat: this.chat, model };
    const call =
      (/** @type {string} */ name) =>
      async (/** @type {unknown[]} */ ...values) =>
        /** @type {any} */ (await importOpenAI())[name](host, ...values);
    /**
     * Goes on with a prompt that no chat template writes, in the shape of OpenAI's API.
     *
     * @type {TextCompletions}
     */
    this.completions = { create: /** @type {any} */ (call('createCompletion')) };
    /**
     * Turns texts into vectors, in the shape of OpenAI's API. Texts that say similar things have
     * vectors whose product is large.
     *
     * @type {Embeddings}
     */
    this.embeddings = { create: call('createEmbeddings') };
    /** The loaded model, as OpenAI's API lists its models. @type {Models} */
    this.models = { list: call('listModels'), retrieve: call('retrieveModel') };
    /**
     * Answers requests of OpenAI's HTTP API at `https://siskin.local/v1/` in the page, and refuses
     * all others. Nothing touches the network.
     *
     * ```js
     * const baseURL = 'https://siskin.local/v1';
     * const { fetch } = siskin;
     * const openai = new OpenAI({ fetch, baseURL, apiKey: '-', dangerouslyAllowBrowser: true });
     * ```
     *
     * @type {(input: string | URL | Request, init?: RequestInit) => Promise<Response>}
     */
    this.fetch = call('fetchHere');
    /**
     * Counts the tokens of a conversation, as a request with these messages would be read.
     *
     * @type {CountTokens}
     */
    this.countTokens = call('countTokens');
  }
}
