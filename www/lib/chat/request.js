/**
 * This module reads what a caller passes to a method: it copies a request as JSON would, and says
 * by its path what a request cannot hold.
 */
import { SiskinError, messageOf } from '../errors.js';
import { readSignal } from './arguments.js';

/** @import { CompletionOptions } from './completions.js' */

/** Values nested deeper than this are refused. The engine's own limit is a little higher. */
const MAX_DEPTH = 100;

/**
 * These are the fields of a request. Those before `messages` are this library's to read; the engine
 * takes the others.
 */
export const FIELDS = [
  'model',
  'signal',
  'stream',
  'stream_options',
  'messages',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'chat_template_kwargs',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_k',
  'top_p',
  'min_p',
  'repetition_penalty',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'allowed_token_ids',
  'seed',
  'logprobs',
  'top_logprobs',
  'stop',
  'context_overflow',
  'draft_max',
  'continue_final_message',
  'reasoning_effort',
  'reasoning_budget',
  'response_format',
  'regex',
  'grammar',
  'choice',
  'lora',
  'n',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'store',
  'metadata',
  'service_tier',
];

/**
 * These are the options of a stream in OpenAI's API. The second has no effect, for nobody listens
 * to what stays in the page.
 */
const STREAM_OPTIONS = ['include_usage', 'include_obfuscation'];

/**
 * Returns a plain copy of a request, but for `signal`, which is passed on. Fields that are
 * undefined are left out. Half a surrogate pair becomes U+FFFD, as in TextEncoder.
 *
 * @param {unknown} request
 * @param {string[]} [names] of the fields that it may have
 * @returns {CompletionOptions & {stream?: boolean | null}}
 * @throws {SiskinError} `invalid_argument`, with the path of what is wrong, such as
 *   `messages[2].content[0].type`
 */
export function readRequest(request, names = FIELDS) {
  if (!attempt('The request', () => isPlain(request)))
    throw invalid('Give a request object such as {messages: [{role: "user", content: "Hello"}]}.');
  const fields = copyEntries(/** @type {object} */ (request), '', [], (value, path, ancestors) =>
    path === 'signal' ? value : copy(value, path, ancestors),
  );
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw invalid(`A request has no field \`${unknown}\`. It takes ${names.join(', ')}.`);
  checkOwn(fields);
  return fields;
}

/**
 * Checks the fields that do not reach the engine.
 *
 * @param {Record<string, unknown>} fields
 */
function checkOwn({ model, stream, stream_options }) {
  if (typeof (model ?? '') !== 'string') throw invalid('`model` must be a string.');
  if (typeof (stream ?? true) !== 'boolean') throw invalid('`stream` must be true or false.');
  const options = stream_options ?? {};
  if (typeof options !== 'object' || Array.isArray(options))
    throw invalid('`stream_options` must be an object such as {include_usage: true}.');
  for (const [name, value] of Object.entries(options)) {
    if (!STREAM_OPTIONS.includes(name))
      throw invalid(
        `\`stream_options.${name}\` is no option; they are ${STREAM_OPTIONS.join(', ')}.`,
      );
    if (typeof (value ?? true) !== 'boolean')
      throw invalid(`\`stream_options.${name}\` must be true or false.`);
  }
}

/**
 * Reads the options beside a request, which are the place of OpenAI's library for a signal.
 *
 * @param {unknown} options
 * @returns {AbortSignal | undefined}
 * @throws {SiskinError} `invalid_argument`
 */
export function readOptions(options) {
  if (options === undefined || options === null) return undefined;
  if (!attempt('The options', () => isPlain(options)))
    throw invalid('Give the options beside a request as an object such as {signal}.');
  const { signal, ...unknown } = copyEntries(/** @type {object} */ (options), '', [], (it) => it);
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    throw invalid(`There is no option \`${name}\` beside a request; the only option is signal.`);
  return readSignal(signal);
}

/**
 * @param {unknown} value
 * @param {string} path where the value is in the request
 * @param {object[]} ancestors the objects that the value is in
 * @returns {unknown}
 */
function copy(value, path, ancestors) {
  switch (typeof value) {
    case 'string':
      return wellFormed(value);
    case 'boolean':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      throw invalid(`\`${path}\` is ${value}; give a finite number, or leave it out.`);
    case 'object':
      return value === null ? null : copyObject(value, path, ancestors);
    case 'bigint':
      throw invalid(`\`${path}\` is a BigInt; give a number.`);
    default:
      throw unfit(path, typeof value);
  }
}

/**
 * @param {object} value
 * @param {string} path
 * @param {object[]} ancestors
 */
function copyObject(value, path, ancestors) {
  if (ancestors.includes(value))
    throw invalid(`\`${path}\` is an object that it is itself a part of; break the circle.`);
  if (ancestors.length >= MAX_DEPTH)
    throw invalid(`A request is nested at most ${MAX_DEPTH} deep; flatten \`${path}\`.`);
  const inside = [...ancestors, value];
  if (attempt(`\`${path}\``, () => Array.isArray(value))) {
    const items = /** @type {unknown[]} */ (value);
    const length = attempt(`\`${path}\``, () => items.length);
    const copies = [];
    for (let index = 0; index < length; index += 1) {
      const here = `${path}[${index}]`;
      copies.push(
        copy(
          attempt(`\`${here}\``, () => items[index]),
          here,
          inside,
        ),
      );
    }
    return copies;
  }
  if (!attempt(`\`${path}\``, () => isPlain(value))) throw unfit(path, tagOf(value));
  return copyEntries(value, path, inside, copy);
}

/**
 * @param {object} object
 * @param {string} path
 * @param {object[]} ancestors
 * @param {typeof copy} copyValue
 * @returns {any}
 */
function copyEntries(object, path, ancestors, copyValue) {
  const entries = [];
  for (const name of attempt(path ? `\`${path}\`` : 'The request', () => Object.keys(object))) {
    const here = join(path, name);
    const value = attempt(`\`${here}\``, () => /** @type {any} */ (object)[name]);
    if (value !== undefined) entries.push([wellFormed(name), copyValue(value, here, ancestors)]);
  }
  return Object.fromEntries(entries);
}

/**
 * Runs code of the caller's: a getter, or a proxy's trap.
 *
 * @template T
 * @param {string} what
 * @param {() => T} run
 * @returns {T}
 */
function attempt(what, run) {
  try {
    return run();
  } catch (cause) {
    throw new SiskinError(
      'invalid_argument',
      `${what} cannot be read ("${messageOf(cause)}"); give a plain value.`,
      { cause },
    );
  }
}

/**
 * Returns whether a value is an object of named values, and not one of JavaScript's own kinds such
 * as Date and Map. A framework's proxy of a plain object is one.
 *
 * @param {unknown} value
 */
function isPlain(value) {
  return typeof value === 'object' && value !== null && tagOf(value) === 'Object';
}

/** @param {object} value */
function tagOf(value) {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

/**
 * @param {string} path
 * @param {string} name
 */
function join(path, name) {
  const is_identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name);
  if (!is_identifier) return `${path}[${JSON.stringify(name)}]`;
  return path ? `${path}.${name}` : name;
}

/** @param {string} text */
function wellFormed(text) {
  // With the flag u, a pair is one character that is no surrogate.
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/**
 * @param {string} path
 * @param {string} kind
 */
function unfit(path, kind) {
  return invalid(
    `\`${path}\` is of the type ${kind}; a request holds strings, numbers, booleans, null, ` +
      'arrays and plain objects.',
  );
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}
