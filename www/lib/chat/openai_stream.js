/** This module reads an answer that a server streams in OpenAI's format. */
import { SiskinError, abortedError, messageOf, throwIfAborted } from '../errors.js';

/** @import { Step } from './completions.js' */
/** @import { EngineEvent, Timings, Usage } from '../protocol.js' */

/** A line may have this many characters, which is more than servers send. */
const MAX_LINE_CHARACTERS = 1 << 20;

/** A `StreamedAnswer` yields the events of one answer as the server sends them. */
export class StreamedAnswer {
  #stop;
  #steps;

  /**
   * @param {Response} response
   * @param {string} host
   * @param {AbortController} stop
   * @param {number} start_ms
   * @param {() => void} onEnd
   */
  constructor(response, host, stop, start_ms, onEnd) {
    this.#stop = stop;
    this.#steps = steps(response, host, stop.signal, start_ms, onEnd);
  }

  /** Ends the connection, which ends the server's work. */
  cancel() {
    this.#stop.abort();
  }

  /**
   * @returns {Promise<Step | undefined>} undefined at the end
   * @throws {SiskinError} `network`, `aborted`
   */
  async next() {
    return (await this.#steps.next()).value ?? undefined;
  }
}

/**
 * @param {Response} response
 * @param {string} host
 * @param {AbortSignal} signal
 * @param {number} start_ms
 * @param {() => void} onEnd
 * @returns {AsyncGenerator<Step, void>}
 */
async function* steps(response, host, signal, start_ms, onEnd) {
  const broken = (/** @type {string} */ why) =>
    new SiskinError('network', `The answer of the fallback server at ${host} ${why}. Ask again.`);
  /** @type {number | undefined} */
  let first_ms;
  /** @type {EngineEvent['finish_reason']} */
  let finish_reason = null;
  /** @type {Usage | undefined} */
  let usage;
  try {
    for await (const line of lines(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice('data:'.length).trim();
      if (data === '[DONE]') break;
      const chunk = parseJson(data);
      if (!chunk || chunk.error)
        throw broken(
          chunk ? `broke off: "${shorten(chunk.error.message ?? chunk.error)}"` : 'is not JSON',
        );
      usage = usageOf(chunk.usage) ?? usage;
      const choice = chunk.choices?.[0];
      if (choice?.finish_reason)
        finish_reason = choice.finish_reason === 'length' ? 'length' : 'stop';
      const text = choice?.delta?.content;
      if (typeof text !== 'string' || text === '') continue;
      first_ms ??= performance.now();
      yield { event: { text, finish_reason: null }, timings: undefined };
    }
    throwIfAborted(signal);
    if (!finish_reason) throw broken('ended too early');
    const now_ms = performance.now();
    const counts = usage ?? {
      prompt_tokens: 0,
      completion_tokens: 0,
      total_tokens: 0,
      cached_tokens: 0,
    };
    yield {
      event: { text: '', finish_reason, usage: counts },
      timings: timingsOf(start_ms, first_ms ?? now_ms, now_ms, counts),
    };
  } catch (cause) {
    if (signal.aborted) throw abortedError();
    throw cause instanceof SiskinError ? cause : broken(`broke off: ${messageOf(cause)}`);
  } finally {
    onEnd();
    response.body?.cancel().catch(() => {});
  }
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<string, void>}
 */
async function* lines(stream) {
  const reader = stream
    .pipeThrough(
      /** @type {ReadableWritablePair<string, Uint8Array>} */ (
        /** @type {unknown} */ (new TextDecoderStream())
      ),
    )
    .getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split(/\r\n|\n|\r/);
      rest = parts.pop() ?? '';
      if (rest.length > MAX_LINE_CHARACTERS) throw new Error('a line of it has no end');
      yield* parts;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} text @returns {any} undefined for what is no JSON */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {unknown} text */
export function shorten(text) {
  const line = String(text).replace(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 300)}...` : line;
}

/**
 * @param {any} usage
 * @returns {Usage | undefined}
 */
function usageOf(usage) {
  if (typeof usage !== 'object' || usage === null) return undefined;
  const count = (/** @type {unknown} */ value) =>
    Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : 0;
  const prompt_tokens = count(usage.prompt_tokens);
  const completion_tokens = count(usage.completion_tokens);
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    cached_tokens: count(usage.prompt_tokens_details?.cached_tokens),
  };
}

/**
 * Returns the times as seen from the page: they include the network.
 *
 * @param {number} start_ms
 * @param {number} first_ms
 * @param {number} end_ms
 * @param {Usage} usage
 * @returns {Timings}
 */
function timingsOf(start_ms, first_ms, end_ms, { completion_tokens }) {
  const decode_ms = end_ms - first_ms;
  return {
    prefill_ms: first_ms - start_ms,
    decode_ms,
    // The server does not tell how long its prefill took.
    prefill_tokens_per_second: 0,
    decode_tokens_per_second:
      completion_tokens > 1 && decode_ms > 0 ? ((completion_tokens - 1) * 1000) / decode_ms : 0,
  };
}
