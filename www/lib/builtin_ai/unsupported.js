/**
 * This module refuses what the drafts have and the engine has not: an answer that is held to a
 * schema, and tools.
 */
import { exception } from './exceptions.js';

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
 * Returns whether the model can be given these tools.
 *
 * @param {unknown[]} tools
 */
export function takesTools(tools) {
  return tools.length === 0;
}
