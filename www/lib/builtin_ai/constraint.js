/**
 * This module reads `responseConstraint`, a JSON schema or a regular expression, as the fields of a
 * request that hold the answer to it.
 */
import { exception } from './exceptions.js';

/** @import { ChatMessage, ChatRequest } from '../protocol.js' */

/**
 * A `Constraint` has the fields of a request, and the wish that the model reads.
 *
 * @typedef {object} Constraint
 * @property {Pick<ChatRequest, 'regex' | 'response_format'>} fields
 * @property {string | undefined} wish none where the input says it
 */

/**
 * @param {object} given
 * @param {boolean} is_told whether the model reads nothing of it
 * @returns {Constraint}
 * @throws {DOMException} `NotSupportedError`
 */
export function readConstraint(given, is_told) {
  if (Object.prototype.toString.call(given) === '[object RegExp]') {
    const { source, flags } = /** @type {RegExp} */ (given);
    const wish = `Answer with a text that this regular expression matches: ${source}`;
    return { fields: { regex: regexOf(source, flags) }, wish: is_told ? undefined : wish };
  }
  const schema = plainSchema(given);
  const wish = `Answer with JSON that fits this schema: ${JSON.stringify(schema)}`;
  return {
    fields: { response_format: { type: 'json_schema', json_schema: { name: 'response', schema } } },
    wish: is_told ? undefined : wish,
  };
}

/**
 * Adds the wish to the last message of the user, which the model then answers.
 *
 * @param {ChatMessage[]} messages
 * @param {Constraint | undefined} constraint
 * @returns {ChatMessage[]}
 */
export function withWish(messages, constraint) {
  const asked = messages.filter(({ role }) => role === 'user').at(-1);
  if (constraint?.wish === undefined || !asked) return messages;
  const wished = { ...asked, content: `${asked.content}\n\n${constraint.wish}` };
  return messages.map((message) => (message === asked ? wished : message));
}

/**
 * @param {object} given
 * @returns {Record<string, any>}
 */
function plainSchema(given) {
  try {
    const schema = JSON.parse(JSON.stringify(given));
    if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) return schema;
  } catch (error) {
    throw exception('NotSupportedError', 'responseConstraint cannot be written as JSON.', error);
  }
  throw exception('NotSupportedError', 'responseConstraint must be a JSON schema or a RegExp.');
}

/**
 * Returns the engine's expression for one of JavaScript: it matches the whole answer, has no
 * anchors, and `\d` and `\w` are ASCII, as JavaScript has them.
 *
 * @param {string} source
 * @param {string} flags
 */
function regexOf(source, flags) {
  const within = flags.replace(/[^ims]/g, '');
  let at = source.startsWith('^') ? 1 : 0;
  let regex = within ? `(?${within})` : '';
  let in_class = false;
  while (at < source.length) {
    const [part] = /** @type {RegExpExecArray} */ (/\\?[^]/u.exec(source.slice(at)));
    at += part.length;
    if (part === '[') in_class = true;
    if (part === ']') in_class = false;
    if (!in_class && part === '$' && at === source.length) break;
    if (!in_class && (part === '^' || part === '$'))
      throw exception('NotSupportedError', 'responseConstraint: ^ and $ stand at the ends alone.');
    regex += asciiClass(part, in_class);
  }
  return regex;
}

/**
 * @param {string} part
 * @param {boolean} in_class
 */
function asciiClass(part, in_class) {
  const digits = '0-9';
  const word = '0-9A-Za-z_';
  switch (part) {
    case '\\d':
      return in_class ? digits : `[${digits}]`;
    case '\\w':
      return in_class ? word : `[${word}]`;
    case '\\/':
      return '/';
    default:
      return part;
  }
}
