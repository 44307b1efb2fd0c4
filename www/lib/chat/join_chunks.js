/** This module makes a whole answer of its chunks. */
import { abortedError } from '../errors.js';

/** @import { ChatCompletion, ChatCompletionChunk, Choice, ResponseHead } from './completions.js' */

/**
 * Returns the answers that chunks are parts of.
 *
 * @param {ResponseHead} head
 * @param {ChatCompletionChunk[]} chunks
 * @returns {ChatCompletion}
 * @throws {SiskinError} `aborted` where the last chunk is missing
 */
export function joinChunks(head, chunks) {
  /** @type {Choice[]} */
  const choices = [];
  let usage, timings;
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage;
    timings = chunk.timings ?? timings;
    for (const { index, delta, logprobs, finish_reason, probabilities } of chunk.choices) {
      const choice = (choices[index] ??= {
        index,
        message: { role: 'assistant', content: '', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      });
      const { message } = choice;
      message.content += delta.content;
      if (delta.reasoning_content)
        message.reasoning_content = (message.reasoning_content ?? '') + delta.reasoning_content;
      for (const { index: _, ...call } of delta.tool_calls ?? [])
        (message.tool_calls ??= []).push(call);
      if (probabilities) choice.probabilities = probabilities;
      if (logprobs)
        (choice.logprobs ??= { content: [], refusal: null }).content.push(...logprobs.content);
      choice.finish_reason = finish_reason ?? choice.finish_reason;
    }
  }
  if (!usage || !timings) throw abortedError();
  return { ...head, object: 'chat.completion', choices, usage, timings };
}
