/**
 * This module reads what `prompt`, `append` and `initialPrompts` take, in two steps as the draft
 * has them: the types at once, the order of roles when the prompt's turn has come.
 */
import { dictionary, domString, enumeration, isSequence } from './convert.js';
import { exception } from './exceptions.js';

/** @import { ChatMessage } from '../protocol.js' */

const ROLES = /** @type {const} */ (['system', 'user', 'assistant']);
/** What the draft knows. This engine reads text. */
export const CONTENT_TYPES = /** @type {const} */ ([
  'text',
  'image',
  'audio',
  'tool-call',
  'tool-response',
]);

/**
 * A `PromptMessage` is a message in its long form.
 *
 * @typedef {object} PromptMessage
 * @property {'system' | 'user' | 'assistant'} role
 * @property {{type: (typeof CONTENT_TYPES)[number], value: unknown}[]} content
 * @property {boolean} prefix
 */

/**
 * Reads a prompt's types.
 *
 * @param {unknown} input a string, or messages
 * @returns {PromptMessage[]}
 * @throws {TypeError}
 */
export function readPrompt(input) {
  if (!isSequence(input)) return [textMessage('user', domString(input))];
  const messages = Array.from(input, readMessage);
  return messages.length > 0 ? messages : [textMessage('user', '')];
}

/**
 * @param {PromptMessage['role']} role
 * @param {string} value
 * @returns {PromptMessage}
 */
function textMessage(role, value) {
  return { role, content: [{ type: 'text', value }], prefix: false };
}

/**
 * @param {unknown} given
 * @returns {PromptMessage}
 */
function readMessage(given) {
  const message = dictionary(given);
  const role = enumeration(message, 'role', ROLES);
  const prefix = Boolean(message.prefix);
  const { content } = message;
  if (content === undefined) throw new TypeError('content is missing.');
  if (!isSequence(content)) return { ...textMessage(role, domString(content)), prefix };
  const parts = Array.from(content, (it) => {
    const part = dictionary(it);
    const type = enumeration(part, 'type', CONTENT_TYPES);
    const { value } = part;
    if (value === undefined) throw new TypeError('value is missing.');
    return { type, value: typeof value === 'object' && value !== null ? value : domString(value) };
  });
  return { role, content: parts.length > 0 ? parts : textMessage(role, '').content, prefix };
}

/**
 * Checks a prompt's roles, types and order, and returns its messages for the engine.
 *
 * @param {PromptMessage[]} prompt
 * @param {boolean} has_context whether the session holds messages already
 * @returns {ChatMessage[]}
 * @throws {TypeError | DOMException} `SyntaxError` for a prefix that is not the last message of the
 *   assistant, `NotSupportedError` for what is no text
 */
export function checkPrompt(prompt, has_context) {
  return prompt.map(({ role, content, prefix }, index) => {
    if (prefix && role !== 'assistant')
      throw exception('SyntaxError', 'prefix is for a message of the assistant.');
    if (prefix && index < prompt.length - 1)
      throw exception('SyntaxError', 'prefix is for the last message.');
    if (role === 'system' && (has_context || index > 0))
      throw new TypeError('A system message must be the first of a session.');
    for (const { type, value } of content) {
      if (type !== 'text')
        throw exception(
          'NotSupportedError',
          role === 'assistant'
            ? 'A message of the assistant holds text alone.'
            : `The session was not created for content of the type ${type}.`,
        );
      if (typeof value !== 'string')
        throw new TypeError('The value of content of the type text must be a string.');
    }
    return { role, content: content.map(({ value }) => value).join('') };
  });
}
