/** This module turns a call of the AI SDK into a request. */
import { SiskinError } from '../siskin.js';

/**
 * A `Warning` says what of a call has no effect.
 *
 * @typedef {{type: 'unsupported', feature: string, details?: string}} Warning
 */

/**
 * Returns the request of a call. `providerOptions.siskin` holds fields that the AI SDK lacks, such
 * as `min_p`.
 *
 * @param {any} options of `doGenerate` and `doStream`
 * @returns {{request: Record<string, unknown>, warnings: Warning[]}}
 * @throws {SiskinError} `unsupported` for images and other files
 */
export function requestOf(options) {
  /** @type {Warning[]} */
  const warnings = [];
  /** @type {Record<string, unknown>} */
  const request = {
    messages: options.prompt.flatMap(messagesOf),
    max_tokens: options.maxOutputTokens,
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    presence_penalty: options.presencePenalty,
    frequency_penalty: options.frequencyPenalty,
    stop: options.stopSequences?.length ? options.stopSequences : undefined,
    seed: options.seed,
  };
  const { responseFormat: format } = options;
  if (format?.type === 'json')
    request.response_format = format.schema
      ? {
          type: 'json_schema',
          json_schema: { name: format.name ?? 'answer', schema: format.schema, strict: true },
        }
      : { type: 'json_object' };
  const tools = (options.tools ?? []).filter((/** @type {any} */ tool) => {
    if (tool.type === 'function') return true;
    warnings.push({ type: 'unsupported', feature: `tool ${tool.id ?? tool.name}` });
    return false;
  });
  if (tools.length > 0) request.tools = tools.map(toolOf);
  if (tools.length > 0 && options.toolChoice) request.tool_choice = choiceOf(options.toolChoice);
  if (options.reasoning === 'none') request.chat_template_kwargs = { enable_thinking: false };
  else if (options.reasoning && options.reasoning !== 'provider-default')
    warnings.push({
      type: 'unsupported',
      feature: 'reasoning',
      details: 'A model thinks as much as it was trained to, or with "none" not at all.',
    });
  const own = options.providerOptions?.siskin ?? {};
  return { request: { ...request, ...own }, warnings };
}

/** @param {any} tool */
function toolOf({ name, description, inputSchema }) {
  return { type: 'function', function: { name, description, parameters: inputSchema } };
}

/** @param {any} choice */
function choiceOf({ type, toolName }) {
  return type === 'tool' ? { type: 'function', function: { name: toolName } } : type;
}

/** @param {any} message */
function messagesOf({ role, content }) {
  switch (role) {
    case 'system':
      return [{ role, content }];
    case 'user':
      return [{ role, content: content.map(textPart) }];
    case 'assistant':
      return [answerOf(content)];
    default:
      return content
        .filter((/** @type {any} */ part) => part.type === 'tool-result')
        .map((/** @type {any} */ part) => ({
          role: 'tool',
          tool_call_id: part.toolCallId,
          content: outputText(part.output),
        }));
  }
}

/** @param {any} part */
function textPart(part) {
  if (part.type === 'text') return { type: 'text', text: part.text };
  throw new SiskinError(
    'unsupported',
    `A message has a part of the type ${part.type}; the model reads text alone.`,
  );
}

/**
 * Returns an answer of the model as a message. Its thoughts are left out, as templates do.
 *
 * @param {any[]} parts
 */
function answerOf(parts) {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  const calls = parts.filter(({ type }) => type === 'tool-call');
  if (calls.length === 0) return { role: 'assistant', content: text };
  const tool_calls = calls.map(({ toolCallId, toolName, input }) => ({
    id: toolCallId,
    type: 'function',
    function: { name: toolName, arguments: JSON.stringify(input) },
  }));
  return { role: 'assistant', content: text, tool_calls };
}

/** @param {any} output of a tool */
function outputText(output) {
  if (output.type === 'text' || output.type === 'error-text') return output.value;
  if (output.type === 'execution-denied') return output.reason ?? 'The tool was not run.';
  return JSON.stringify(output.value);
}
