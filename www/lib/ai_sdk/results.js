/** This module says in the AI SDK's words what a model answered. */

/** @import { CompletionUsage } from '../chat/completions.js' */

/** The AI SDK's names of finish reasons. @type {Record<string, string>} */
const REASONS = { stop: 'stop', length: 'length', tool_calls: 'tool-calls' };

/** @param {string} raw */
export function finishReasonOf(raw) {
  return { unified: REASONS[raw] ?? 'other', raw };
}

/** @param {CompletionUsage} usage */
export function usageOf(usage) {
  const { prompt_tokens: total, completion_tokens, prompt_tokens_details } = usage;
  const { cached_tokens } = prompt_tokens_details;
  return {
    inputTokens: {
      total,
      noCache: total - cached_tokens,
      cacheRead: cached_tokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: completion_tokens, text: undefined, reasoning: undefined },
    raw: usage,
  };
}

/** @param {any} call a tool call in OpenAI's shape */
export function callOf({ id, function: { name, arguments: input } }) {
  return { type: 'tool-call', toolCallId: id, toolName: name, input };
}

/** @param {any} message */
export function contentOf({ content, reasoning_content, tool_calls }) {
  return [
    ...(reasoning_content ? [{ type: 'reasoning', text: reasoning_content }] : []),
    ...(content ? [{ type: 'text', text: content }] : []),
    ...(tool_calls ?? []).map(callOf),
  ];
}
