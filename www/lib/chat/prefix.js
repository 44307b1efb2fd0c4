/** This module holds the beginnings of conversations that a page keeps. */
import { SiskinError } from '../errors.js';
import { readSignal } from './arguments.js';
import { readRequest } from './request.js';

/** @import { CompletionOptions } from './completions.js' */
/** @import { Client } from '../engine/engines.js' */
/** @import { ChatMessage, PrefixRequest, PrefixResult } from '../protocol.js' */

/**
 * @typedef {object} PrefixOptions
 * @property {object[]} [tools] that the requests will have, for they stand in the prompt
 * @property {Record<string, unknown>} [chat_template_kwargs] that the requests will have
 * @property {string} [key] stores the prefix on this device under this name, so that the next visit
 *   does not compute it again. One of other messages under the same name is replaced
 * @property {AbortSignal | null} [signal] ends the computing, within about 100 ms
 */

/** @typedef {(signal: AbortSignal | undefined) => Promise<Client>} ClientSource */

/**
 * A `Prefix` is a beginning of conversations whose keys and values are kept: requests that begin
 * with its messages start at once. `siskin.prefix` makes it.
 */
export class Prefix {
  #clientFor;
  #request;

  /**
   * @param {ClientSource} clientFor
   * @param {PrefixRequest} request
   * @param {Pick<PrefixResult, 'token_count' | 'restored'>} result
   */
  constructor(clientFor, request, { token_count, restored }) {
    this.#clientFor = clientFor;
    this.#request = request;
    /** How many tokens it has. */
    this.token_count = token_count;
    /** Whether it was read from the device or from what was saved, and not computed. */
    this.restored = restored;
  }

  /** Its messages, which a request begins with. @returns {ChatMessage[]} */
  get messages() {
    return structuredClone(this.#request.messages);
  }

  /**
   * Returns a prefix that goes on with more messages. What both share is not computed again.
   *
   * @param {ChatMessage[]} messages
   * @param {{key?: string, signal?: AbortSignal | null}} [options]
   * @returns {Promise<Prefix>}
   */
  clone(messages = [], { key, signal } = {}) {
    const { messages: first, ...shared } = this.#request;
    return keep(this.#clientFor, { ...shared, messages: [...first, ...messages], key, signal });
  }

  /**
   * Returns the prefix as bytes, for `siskin.restorePrefix`: about 12 kB a token with a model of
   * 0.5B parameters. They hold the messages too.
   *
   * @param {{signal?: AbortSignal | null}} [options]
   * @returns {Promise<ArrayBuffer>}
   */
  async save({ signal } = {}) {
    const given = readSignal(signal);
    const message = { type: /** @type {const} */ ('prefix'), request: this.#request, save: true };
    const call = (await this.#clientFor(given)).call(message, { signal: given });
    return Uint8Array.from((await call.result).bytes).buffer;
  }
}

/**
 * @param {ClientSource} clientFor
 * @param {ChatMessage[]} messages
 * @param {PrefixOptions} [options]
 * @returns {Promise<Prefix>}
 */
export function openPrefix(clientFor, messages, options = {}) {
  const { tools, chat_template_kwargs, key, signal, ...unknown } = options;
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    throw new SiskinError(
      'invalid_argument',
      `siskin.prefix has no option \`${name}\`. It takes tools, chat_template_kwargs, key and ` +
        'signal.',
    );
  return keep(clientFor, { messages, tools, chat_template_kwargs, key, signal });
}

/**
 * @param {ClientSource} clientFor
 * @param {CompletionOptions & {key?: string}} options
 */
async function keep(clientFor, { key, ...options }) {
  if (key !== undefined && (typeof key !== 'string' || key === ''))
    throw new SiskinError('invalid_argument', '`key` must be a string that is not empty.');
  const { signal, ...request } = readRequest(options);
  const given = readSignal(signal);
  const message = { type: /** @type {const} */ ('prefix'), request, key };
  const call = (await clientFor(given)).call(message, { signal: given });
  return new Prefix(clientFor, request, await call.result);
}

/**
 * @param {ClientSource} clientFor
 * @param {ArrayBuffer | Uint8Array} saved
 * @param {{signal?: AbortSignal | null}} [options]
 * @returns {Promise<Prefix>}
 */
export async function restorePrefix(clientFor, saved, { signal } = {}) {
  const given = readSignal(signal);
  if (
    !ArrayBuffer.isView(saved) &&
    Object.prototype.toString.call(saved) !== '[object ArrayBuffer]'
  )
    throw new SiskinError('invalid_argument', 'restorePrefix takes the ArrayBuffer of save().');
  const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (saved));
  const message = { type: /** @type {const} */ ('restore_prefix'), bytes };
  const call = (await clientFor(given)).call(message, { signal: given });
  const { request, token_count } = await call.result;
  return new Prefix(clientFor, request, { token_count, restored: true });
}
