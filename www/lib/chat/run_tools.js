/**
 * This module runs the functions that a model calls, and asks on with what they return, until the
 * model answers. Its code is imported with the first call.
 */
import { SiskinError, messageOf, throwIfAborted } from '../errors.js';

/** @import { ChatCompletion, CompletionRequest, Completions } from './completions.js' */
/** @import { RequestOptions } from './completions.js' */
/** @import { ChatMessage } from '../protocol.js' */

/** The model may call tools this many times before it must answer, as in OpenAI's library. */
const MAX_CHAT_COMPLETIONS = 10;

/**
 * A `RunnableTool` is OpenAI's tool object with the function itself.
 *
 * @typedef {object} RunnableTool
 * @property {'function'} type
 * @property {{
 *   name?: string,
 *   description?: string,
 *   parameters?: Record<string, unknown>,
 *   strict?: boolean | null,
 *   function: (args: any) => unknown,
 *   parse?: (input: string) => any,
 * }} function `function` is called with what `parse` makes of the arguments, by default
 *   `JSON.parse`. Its result, or what it resolves to, is told to the model: a string as it is, else
 *   as JSON. Without `name` it is the function's
 */

/**
 * @typedef {Omit<CompletionRequest, 'tools'> & {tools: RunnableTool[]}} RunToolsRequest
 */

/**
 * @typedef {RequestOptions & {maxChatCompletions?: number}} RunToolsOptions
 *   `maxChatCompletions`: how often the model is asked at most, by default 10
 */

/**
 * Answers a conversation, and runs the functions that the model calls.
 *
 * @param {Pick<Completions, 'create'>} completions
 * @param {RunToolsRequest} request
 * @param {RunToolsOptions} [options]
 * @returns {Promise<ChatCompletion & {messages: ChatMessage[]}>} the last answer, with the whole
 *   conversation: calls, what the functions returned, and the answer
 * @throws {SiskinError} `invalid_argument`, and those of `create`
 */
export async function runTools(completions, request, options = {}) {
  const { maxChatCompletions = MAX_CHAT_COMPLETIONS, ...others } = options;
  if (!Number.isInteger(maxChatCompletions) || maxChatCompletions < 1)
    throw new SiskinError('invalid_argument', '`maxChatCompletions` must be at least 1.');
  const functions = new Map(readTools(request.tools));
  const tools = [...functions].map(([name, { function: _, parse: __, ...rest }]) => ({
    type: 'function',
    function: { ...rest, name },
  }));
  const messages = [...request.messages];
  let { tool_choice } = request;
  for (let round = 1; ; round += 1) {
    const completion = /** @type {ChatCompletion} */ (
      await completions.create({ ...request, tools, tool_choice, messages, stream: false }, others)
    );
    const { message } = completion.choices[0];
    messages.push(message);
    if (!message.tool_calls || round === maxChatCompletions) return { ...completion, messages };
    for (const { id, function: call } of message.tool_calls) {
      throwIfAborted(others.signal ?? request.signal);
      messages.push({ role: 'tool', tool_call_id: id, content: await run(functions, call) });
    }
    // A tool that must be called was; now the model may answer.
    if (tool_choice !== 'none') tool_choice = 'auto';
  }
}

/**
 * @param {RunnableTool[]} tools
 * @returns {[string, RunnableTool['function']][]}
 */
function readTools(tools) {
  if (!Array.isArray(tools))
    throw new SiskinError('invalid_argument', '`tools` must be an array of tools with functions.');
  return tools.map(({ function: tool }, index) => {
    if (typeof tool?.function !== 'function')
      throw new SiskinError(
        'invalid_argument',
        `\`tools[${index}].function.function\` must be the function to call.`,
      );
    return [tool.name ?? tool.function.name, tool];
  });
}

/**
 * Returns what a function says, or why it failed: the model may try again.
 *
 * @param {Map<string, RunnableTool['function']>} functions
 * @param {{name: string, arguments: string}} call
 * @returns {Promise<string>}
 */
async function run(functions, call) {
  const tool = functions.get(call.name);
  if (!tool) return `Error: there is no tool ${JSON.stringify(call.name)}.`;
  try {
    const result = await tool.function((tool.parse ?? JSON.parse)(call.arguments));
    return typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
  } catch (error) {
    return `Error: ${messageOf(error)}`;
  }
}
