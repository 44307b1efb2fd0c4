/** This module runs one question to the model that has no session: a rewrite, a translation. */
import { codeOf } from '../errors.js';
import { quotaExceeded } from './exceptions.js';

/** @import { AnswerOptions, ModelHost } from './model_host.js' */
/** @import { ChatMessage } from '../protocol.js' */

/**
 * A `TextTask` is what the model is asked, and how long it may be.
 *
 * @typedef {object} TextTask
 * @property {ChatMessage[]} messages
 * @property {number} quota the most tokens that the messages may take
 * @property {Pick<AnswerOptions, 'max_tokens' | 'temperature' | 'top_p'>} request
 */

/**
 * Answers a task.
 *
 * @param {ModelHost} host
 * @param {TextTask} task
 * @param {AbortSignal} signal
 * @param {(text: string) => void} [onText]
 * @returns {Promise<string>}
 * @throws {DOMException} `QuotaExceededError`; and what `ModelHost.answer` throws
 */
export async function runTask(host, { messages, quota, request }, signal, onText) {
  const requested = await host.count(messages, signal);
  if (requested > quota) throw quotaExceeded(requested, quota);
  try {
    return (await host.answer(messages, { ...request, signal, onText })).text;
  } catch (error) {
    // The counting was an estimate of what the template adds.
    if (codeOf(error) === 'context_full') throw quotaExceeded(quota + 1, quota);
    throw error;
  }
}

/**
 * Gives a text that needs no model, in the way of `runTask`.
 *
 * @param {string} text
 * @param {(text: string) => void} [onText]
 */
export async function give(text, onText) {
  if (text) onText?.(text);
  return text;
}

/**
 * Returns whether a text has nothing to read: no more than spaces and control characters.
 *
 * @param {string} text
 */
export function isBlank(text) {
  return /^[\s\p{Cc}]*$/u.test(text);
}

/**
 * Returns a list as the attributes of the drafts give it: frozen, or null where it is empty.
 *
 * @param {string[] | undefined} list
 */
export function frozenList(list) {
  return list && list.length > 0 ? Object.freeze(list) : null;
}
