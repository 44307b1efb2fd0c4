/** This module writes several answers to one request, one after the other. */
import { SiskinError } from '../errors.js';

/** @import { Ask, Step } from '../chat/completions.js' */
/** @import { ChatRequest, EngineEvent, Usage } from '../protocol.js' */

/** OpenAI's API writes no more. */
const MAX_ANSWERS = 128;

/**
 * Writes `n` answers to a request. The prompt is read once: those after the first find it in the KV
 * cache. The first has the seed of the request, the second the next one, and so on.
 *
 * @param {Ask} ask
 * @param {ChatRequest} request
 * @param {AbortSignal | undefined} signal
 * @param {unknown} n
 */
export function askSeveral(ask, request, signal, n) {
  return askInTurn(ask, withSeeds(request, readCount(n)), signal, Number(n));
}

/**
 * Returns how many answers are wanted.
 *
 * @param {unknown} n
 * @throws {SiskinError} `invalid_argument`
 */
export function readCount(n) {
  const count = n ?? 1;
  if (Number.isInteger(count) && Number(count) >= 1 && Number(count) <= MAX_ANSWERS)
    return Number(count);
  throw new SiskinError(
    'invalid_argument',
    `\`n\` is ${n}; it must be a whole number from 1 to ${MAX_ANSWERS}.`,
  );
}

/**
 * Returns a request for each of several answers.
 *
 * @template {{seed?: number | null}} Request
 * @param {Request} request
 * @param {number} count
 * @returns {Request[]}
 */
export function withSeeds(request, count) {
  // One answer needs no seed; and what is no number the engine refuses.
  if (count === 1 || (request.seed ?? undefined) !== undefined)
    return Array.from({ length: count }, (_, index) => ({
      ...request,
      ...(typeof request.seed === 'number' && { seed: request.seed + index }),
    }));
  return withSeeds({ ...request, seed: crypto.getRandomValues(new Uint32Array(1))[0] }, count);
}

/**
 * Asks one request after the other, and gives their answers as one, whose steps have an `index`.
 * The usage comes with the last step: a prompt counts once for the `per_prompt` answers to it.
 *
 * @param {Ask} ask
 * @param {ChatRequest[]} requests
 * @param {AbortSignal | undefined} signal
 * @param {number} per_prompt
 * @returns {ReturnType<Ask>}
 */
export async function askInTurn(ask, requests, signal, per_prompt) {
  let index = 0;
  let is_cancelled = false;
  const first = await ask(requests[0], signal);
  let { answer } = first;
  /** @type {Usage} */
  const sum = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, cached_tokens: 0 };
  let prefill_ms = 0;
  let decode_ms = 0;
  let decoded_tokens = 0;

  /**
   * Adds what an answer took.
   *
   * @param {Step} step
   */
  const add = ({ event: { usage }, timings }) => {
    if (usage) {
      sum.completion_tokens += usage.completion_tokens;
      decoded_tokens += usage.completion_tokens - 1;
      if (index % per_prompt === 0) {
        sum.prompt_tokens += usage.prompt_tokens;
        sum.cached_tokens += usage.cached_tokens;
      }
      sum.total_tokens = sum.prompt_tokens + sum.completion_tokens;
    }
    prefill_ms += timings?.prefill_ms ?? 0;
    decode_ms += timings?.decode_ms ?? 0;
  };

  /** @returns {Promise<Step | undefined>} */
  const next = async () => {
    const step = await answer.next();
    if (!step || !step.event.finish_reason) return step && { ...step, index };
    add(step);
    const own = index;
    if (own === requests.length - 1) {
      const timings = step.timings && {
        ...step.timings,
        prefill_ms,
        decode_ms,
        decode_tokens_per_second: decode_ms > 0 ? (decoded_tokens * 1000) / decode_ms : 0,
      };
      return { event: { ...step.event, usage: sum }, timings, index };
    }
    index += 1;
    ({ answer } = await ask(requests[index], signal));
    if (is_cancelled) answer.cancel();
    /** @type {EngineEvent} */
    const event = { ...step.event };
    delete event.usage;
    return { event, timings: undefined, index: own };
  };

  const cancel = () => {
    is_cancelled = true;
    answer.cancel();
  };
  return { ...first, answer: { next, cancel } };
}
