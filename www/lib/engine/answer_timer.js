/** This module measures how long an answer takes. */

/** @import { EngineEvent, Timings } from '../protocol.js' */

/** An `AnswerTimer` measures the times of one answer. */
export class AnswerTimer {
  #start_ms;
  /** @type {number | undefined} */
  #first_ms;

  /** @param {number} start_ms */
  constructor(start_ms) {
    this.#start_ms = start_ms;
  }

  /**
   * @param {number} now_ms
   * @param {EngineEvent} event
   * @returns {Timings | undefined} on the last event
   */
  tick(now_ms, event) {
    if (!event.prefill) this.#first_ms ??= now_ms;
    if (!event.finish_reason || !event.usage) return undefined;
    const first_ms = this.#first_ms ?? now_ms;
    const { prompt_tokens, cached_tokens, completion_tokens } = event.usage;
    const prefill_ms = first_ms - this.#start_ms;
    const decode_ms = now_ms - first_ms;
    return {
      prefill_ms,
      decode_ms,
      prefill_tokens_per_second: perSecond(prompt_tokens - cached_tokens, prefill_ms),
      // The prefill yields the first token.
      decode_tokens_per_second: perSecond(completion_tokens - 1, decode_ms),
      ...(event.drafts && {
        draft_n: event.drafts.tokens,
        draft_n_accepted: event.drafts.accepted_tokens,
      }),
    };
  }
}

/**
 * @param {number} count
 * @param {number} ms
 */
function perSecond(count, ms) {
  return count > 0 && ms > 0 ? (count * 1000) / ms : 0;
}
