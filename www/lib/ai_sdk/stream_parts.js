/** This module turns the chunks of an answer into the AI SDK's stream parts. */
import { callOf, finishReasonOf, usageOf } from './results.js';

/** @import { ChatCompletionStream } from '../chat/completions.js' */
/** @import { Warning } from './request.js' */

/** The kinds of text that an answer has. @typedef {'text' | 'reasoning'} Kind */

/**
 * @param {ChatCompletionStream} chunks
 * @param {Warning[]} warnings
 * @param {boolean} with_raw whether the chunks are wanted too
 * @returns {ReadableStream<any>}
 */
export function streamParts(chunks, warnings, with_raw) {
  const parts = partsOf(chunks, warnings, with_raw);
  return new ReadableStream({
    async pull(stream) {
      const { done, value } = await parts.next();
      if (done) stream.close();
      else stream.enqueue(value);
    },
    cancel() {
      chunks.controller.abort();
    },
  });
}

/**
 * @param {ChatCompletionStream} chunks
 * @param {Warning[]} warnings
 * @param {boolean} with_raw
 * @returns {AsyncGenerator<any, void>}
 */
async function* partsOf(chunks, warnings, with_raw) {
  yield { type: 'stream-start', warnings };
  let is_first = true;
  /** What is open. @type {Kind | undefined} */
  let kind;
  let id = 0;
  /**
   * Returns the parts that end what is open, and begin another kind.
   *
   * @param {Kind} [next]
   */
  const turn = (next) => {
    if (kind === next) return [];
    const ended = kind ? [{ type: `${kind}-end`, id: String(id) }] : [];
    kind = next;
    return next ? [...ended, { type: `${next}-start`, id: String(++id) }] : ended;
  };
  try {
    for await (const chunk of chunks) {
      if (with_raw) yield { type: 'raw', rawValue: chunk };
      if (is_first)
        yield {
          type: 'response-metadata',
          id: chunk.id,
          timestamp: new Date(chunk.created * 1000),
          modelId: chunk.model,
        };
      is_first = false;
      const [choice] = chunk.choices;
      const { content, reasoning_content, tool_calls } = /** @type {any} */ (choice.delta);
      for (const [name, delta] of /** @type {[Kind, string | undefined][]} */ ([
        ['reasoning', reasoning_content],
        ['text', content],
      ])) {
        if (!delta) continue;
        yield* turn(name);
        yield { type: `${name}-delta`, id: String(id), delta };
      }
      for (const call of tool_calls ?? []) {
        yield* turn();
        const { toolCallId, toolName, input } = callOf(call);
        yield { type: 'tool-input-start', id: toolCallId, toolName };
        yield { type: 'tool-input-delta', id: toolCallId, delta: input };
        yield { type: 'tool-input-end', id: toolCallId };
        yield callOf(call);
      }
      if (!choice.finish_reason || !chunk.usage) continue;
      yield* turn();
      yield {
        type: 'finish',
        finishReason: finishReasonOf(choice.finish_reason),
        usage: usageOf(chunk.usage),
      };
    }
  } catch (error) {
    yield* turn();
    yield { type: 'error', error };
  }
}
