/** This module makes the parts that an answer and its chunks share. */

/** @import { CompletionUsage } from './completions.js' */
/** @import { EngineEvent, Usage } from '../protocol.js' */

/**
 * @param {EngineEvent} event
 * @returns {'stop' | 'length' | 'tool_calls'}
 */
export function reason({ finish_reason }) {
  return finish_reason === 'length' || finish_reason === 'tool_calls' ? finish_reason : 'stop';
}

/**
 * @param {Usage} usage
 * @returns {CompletionUsage}
 */
export function usageOf({ prompt_tokens, completion_tokens, total_tokens, cached_tokens }) {
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens,
    prompt_tokens_details: { cached_tokens },
  };
}

/** Returns 128 random bits in hexadecimal. `crypto.randomUUID` exists in secure contexts only. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
