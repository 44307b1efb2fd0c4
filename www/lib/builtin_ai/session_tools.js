/**
 * This module holds the tools of a session: what the model is told of them, and what they say when
 * it calls them.
 */
import { messageOf } from '../errors.js';
import { dictionary } from './convert.js';

/** @import { ToolCallDelta } from '../chat/structured_types.js' */
/** @import { ChatMessage, ChatRequest } from '../protocol.js' */

/**
 * A `SessionTool` is a tool as the draft has it.
 *
 * @typedef {object} SessionTool
 * @property {string} name
 * @property {string} description
 * @property {object} inputSchema
 * @property {(input: unknown) => unknown} execute
 */

/** The model may call tools this many times before it must answer. */
const MAX_ROUNDS = 10;

/**
 * @param {unknown} given
 * @returns {SessionTool}
 * @throws {TypeError}
 */
export function readTool(given) {
  const tool = dictionary(given);
  for (const name of ['name', 'description', 'inputSchema', 'execute'])
    if (tool[name] === undefined) throw new TypeError(`A tool has no ${name}.`);
  const { name, description, inputSchema, execute } = tool;
  if (typeof execute !== 'function') throw new TypeError('execute must be a function.');
  if (typeof inputSchema !== 'object' || inputSchema === null)
    throw new TypeError('inputSchema must be an object.');
  const run = /** @type {SessionTool['execute']} */ (execute);
  return { name: String(name), description: String(description), inputSchema, execute: run };
}

/**
 * Returns the fields of a request with the tools, of the round of this number, from 1.
 *
 * @param {readonly SessionTool[]} tools
 * @param {number} round
 * @returns {Pick<ChatRequest, 'tools' | 'tool_choice'>}
 */
export function toolFields(tools, round) {
  if (tools.length === 0) return {};
  return {
    tools: tools.map(({ name, description, inputSchema: parameters }) => ({
      type: 'function',
      function: { name, description, parameters },
    })),
    tool_choice: round < MAX_ROUNDS ? 'auto' : 'none',
  };
}

/**
 * Runs the calls of an answer, all at once, and returns the messages that say so to the model.
 *
 * @param {readonly SessionTool[]} tools
 * @param {{text: string, tool_calls: ToolCallDelta[]}} answer
 * @returns {Promise<ChatMessage[]>}
 */
export async function runCalls(tools, { text, tool_calls }) {
  const said = tool_calls.map(({ index: _, ...call }) => call);
  const results = await Promise.all(
    said.map(async (call) => ({
      role: /** @type {const} */ ('tool'),
      tool_call_id: call.id,
      content: await runCall(tools, call.function),
    })),
  );
  return [{ role: 'assistant', content: text, tool_calls: said }, ...results];
}

/**
 * Returns what a tool says, or why it failed: the model may try again.
 *
 * @param {readonly SessionTool[]} tools
 * @param {{name: string, arguments: string}} call
 */
async function runCall(tools, call) {
  const tool = tools.find(({ name }) => name === call.name);
  if (!tool) return `Error: there is no tool ${JSON.stringify(call.name)}.`;
  try {
    return String(await tool.execute(JSON.parse(call.arguments)));
  } catch (error) {
    return `Error: ${messageOf(error)}`;
  }
}
