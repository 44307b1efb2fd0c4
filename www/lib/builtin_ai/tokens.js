/**
 * This module counts the tokens of messages before they are sent. The contents are tokenized; what
 * the chat template adds to them is known from the last request, whose tokens the engine counted.
 */

/** @import { Siskin } from '../siskin.js' */
/** @import { ChatMessage } from '../protocol.js' */

/** What ChatML adds to a message, until a request has told. */
const CHATML = 5;

/** A `TemplateCost` knows how many tokens the chat template adds. */
export class TemplateCost {
  /** @type {{messages: ChatMessage[], prompt_tokens: number, added?: number} | undefined} */
  #last;

  /**
   * Learns from a request that the engine has counted.
   *
   * @param {ChatMessage[]} messages
   * @param {number} prompt_tokens
   */
  learn(messages, prompt_tokens) {
    this.#last = { messages, prompt_tokens };
  }

  /**
   * @param {Siskin} siskin
   * @param {ChatMessage[]} messages
   * @returns {Promise<number>} tokens of the messages
   */
  async count(siskin, messages) {
    const last = this.#last;
    const own = await contentTokens(siskin, messages);
    if (!last) return own + CHATML * messages.length;
    last.added ??= last.prompt_tokens - (await contentTokens(siskin, last.messages));
    return own + Math.max(Math.round((last.added * messages.length) / last.messages.length), 0);
  }
}

/**
 * @param {Siskin} siskin
 * @param {ChatMessage[]} messages
 */
async function contentTokens(siskin, messages) {
  const counts = await Promise.all(
    messages.map(async ({ content }) => (await siskin.tokenize(String(content))).length),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
