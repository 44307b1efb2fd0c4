/**
 * This module refuses what the drafts have and the engine has not: an answer that is held to a
 * schema, tools, and an answer that goes on from a given beginning.
 */
import { exception } from './exceptions.js';

/** @import { PromptMessage } from './prompt_messages.js' */

/**
 * @param {object | undefined} constraint
 * @throws {DOMException} `NotSupportedError`
 */
export function refuseConstraint(constraint) {
  if (constraint)
    throw exception(
      'NotSupportedError',
      'responseConstraint: answers cannot be held to a schema. Ask for the form in the prompt.',
    );
}

/**
 * @param {PromptMessage[]} prompt whose prefixes are where they may be
 * @throws {DOMException} `NotSupportedError`
 */
export function refusePrefix(prompt) {
  if (prompt.some(({ prefix }) => prefix))
    throw exception(
      'NotSupportedError',
      'prefix: the model begins its answers itself. Ask for the beginning in the prompt.',
    );
}

/**
 * Returns whether the model can be given these tools.
 *
 * @param {unknown[]} tools
 */
export function takesTools(tools) {
  return tools.length === 0;
}
