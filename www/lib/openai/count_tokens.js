/** This module counts the tokens of a conversation. */
import { SiskinError } from '../errors.js';
import { readSignal } from '../chat/arguments.js';
import { readRequest } from '../chat/request.js';

/** @import { Host } from './index.js' */
/** @import { ChatMessage, ChatRequest } from '../protocol.js' */

/**
 * @typedef {object} CountOptions
 * @property {object[] | null} [tools] that the request will have
 * @property {ChatRequest['tool_choice']} [tool_choice] that the request will have
 * @property {Record<string, unknown> | null} [chat_template_kwargs] that the request will have
 * @property {AbortSignal | null} [signal] ends the waiting
 */

/** @typedef {(messages: ChatMessage[], options?: CountOptions) => Promise<number>} CountTokens */

/** These are the options. */
const OPTIONS = ['tools', 'tool_choice', 'chat_template_kwargs', 'signal'];

/**
 * @param {Host} host
 * @param {ChatMessage[]} messages
 * @param {CountOptions} [options]
 * @returns {Promise<number>}
 */
export async function countTokens(host, messages, options = {}) {
  const unknown = Object.keys(options ?? {}).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined)
    throw new SiskinError(
      'invalid_argument',
      `countTokens has no option \`${unknown}\`. It takes ${OPTIONS.join(', ')}.`,
    );
  const { signal, ...request } = readRequest({ ...options, messages });
  const given = readSignal(signal);
  const { client } = await host.model(given);
  return client.call({ type: 'count_tokens', request }, { signal: given }).result;
}
