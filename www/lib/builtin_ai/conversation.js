/**
 * This module holds a session's messages: what is never dropped, the turns after that, and how many
 * tokens they take. Calls run one at a time, in the order in which they were made.
 */
import { codeOf } from '../errors.js';
import { quotaExceeded } from './exceptions.js';
import { runCalls, toolFields } from './session_tools.js';

/** @import { Answer, AnswerOptions, ModelHost } from './model_host.js' */
/** @import { ChatMessage } from '../protocol.js' */
/** @import { SessionTool } from './session_tools.js' */

/**
 * A `Turn` is what one call brought: the messages, the answer if there was one, and the tokens of
 * both.
 *
 * @typedef {{messages: ChatMessage[], tokens: number}} Turn
 */

/**
 * A `State` can be copied to another conversation.
 *
 * @typedef {{kept: ChatMessage[], turns: Turn[], tokens: number}} State
 */

/** So much of the context is kept free for an answer, as long as turns can be dropped for it. */
const ANSWER_SHARE = 1 / 8;

/** A `Conversation` is the inner part of a `LanguageModel`. */
export class Conversation {
  #host;
  #onOverflow;
  /** @type {State} */
  #state;
  /** The last call, whose end the next one waits for. @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @param {ModelHost} host
   * @param {() => void} onOverflow is called when turns were dropped
   * @param {State} [state]
   */
  constructor(host, onOverflow, { kept, turns, tokens } = { kept: [], turns: [], tokens: 0 }) {
    this.#host = host;
    this.#onOverflow = onOverflow;
    this.#state = { kept: [...kept], turns: [...turns], tokens };
  }

  /** What another conversation can begin with. @returns {State} */
  get state() {
    return this.#state;
  }

  /** How many tokens the messages take. */
  get tokens() {
    return this.#state.tokens;
  }

  /** How many tokens there is room for. */
  get window() {
    return this.#host.context_tokens;
  }

  /**
   * Runs a call after those before it. Of one that was aborted meanwhile, the engine takes nothing.
   *
   * @template T
   * @param {() => Promise<T>} call
   * @returns {Promise<T>}
   */
  async inTurn(call) {
    const before = this.#last;
    const run = before.then(call);
    const end = Promise.allSettled([before, run]);
    this.#last = end;
    return run;
  }

  /**
   * Answers a prompt, and keeps both. An answer that goes on with the last message is kept as one
   * message with it. Tools that the model calls are run before it answers.
   *
   * @param {ChatMessage[]} messages
   * @param {AnswerOptions & {tools?: readonly SessionTool[]}} options
   * @returns {Promise<string>}
   * @throws {DOMException} `QuotaExceededError`, if the prompt does not fit at all; and what
   *   `ModelHost.answer` throws
   */
  async prompt(messages, { tools = [], ...options }) {
    let asked = messages;
    let { continue_final_message } = options;
    for (let round = 1; ; round += 1) {
      const fields = { ...options, ...toolFields(tools, round), continue_final_message };
      const answer = await this.#ask(asked, fields);
      const turn = continue_final_message ? asked.slice(0, -1) : [...asked];
      const text = `${asked[turn.length]?.content ?? ''}${answer.text}`;
      const { tool_calls } = answer;
      if (tool_calls.length === 0) {
        turn.push({ role: 'assistant', content: text });
        this.#keep(turn, answer.prompt_tokens + answer.completion_tokens);
        return answer.text;
      }
      asked = [...turn, ...(await runCalls(tools, { text, tool_calls }))];
      continue_final_message = undefined;
    }
  }

  /**
   * Reads messages without an answer, so that the next prompt begins sooner. Empty ones add
   * nothing.
   *
   * @param {ChatMessage[]} messages
   * @param {AbortSignal} signal
   * @param {boolean} [is_initial] whether they are never dropped
   * @throws {DOMException} as `prompt`
   */
  async append(messages, signal, is_initial = false) {
    if (!is_initial && messages.every(({ content }) => content === '')) return;
    const tokens = await this.#read(messages, signal);
    this.#keep(messages, tokens);
    if (is_initial) {
      this.#state.kept.push(...this.#state.turns.flatMap((turn) => turn.messages));
      this.#state.turns = [];
    }
  }

  /**
   * Reads messages into the model's memory. A template that takes no conversation without a
   * question reads them with the next prompt instead.
   *
   * @param {ChatMessage[]} messages
   * @param {AbortSignal} signal
   * @returns {Promise<number>} tokens of the conversation with them
   */
  async #read(messages, signal) {
    try {
      const answer = await this.#ask(messages, { signal, max_tokens: 1, temperature: 0 });
      return answer.prompt_tokens;
    } catch (error) {
      if (codeOf(error) !== 'template') throw error;
      return this.tokens + (await this.#host.count(messages, signal));
    }
  }

  /**
   * Answers the conversation with more messages, and drops the oldest turns where they do not fit.
   *
   * @param {ChatMessage[]} messages
   * @param {AnswerOptions} options
   * @returns {Promise<Answer>}
   */
  async #ask(messages, options) {
    const { window } = this;
    const { kept, turns } = this.#state;
    const room = window * (1 - ANSWER_SHARE);
    // A token has a byte at least, so most prompts are known to fit before they are counted.
    let requested = this.tokens + new TextEncoder().encode(JSON.stringify(messages)).length;
    if (requested > room) {
      const whole = [...kept, ...turns.flatMap((turn) => turn.messages), ...messages];
      requested = await this.#host.count(whole, options.signal);
    }
    let dropped = 0;
    let left = requested;
    while (dropped < turns.length && left > room) left -= turns[dropped++].tokens;
    for (; ; dropped += 1)
      try {
        return await this.#askWithout(dropped, messages, options);
      } catch (error) {
        if (codeOf(error) !== 'context_full') throw error;
        if (dropped >= turns.length) throw quotaExceeded(Math.max(requested, window + 1), window);
      }
  }

  /**
   * @param {number} dropped how many turns are dropped before
   * @param {ChatMessage[]} messages
   * @param {AnswerOptions} options
   * @returns {Promise<Answer>}
   */
  async #askWithout(dropped, messages, options) {
    const { kept, turns } = this.#state;
    const rest = turns.slice(dropped);
    const whole = [...kept, ...rest.flatMap((turn) => turn.messages), ...messages];
    const ask = (/** @type {ChatMessage[]} */ given) =>
      this.#host.answer(given, { ...options, onStart: () => this.#drop(dropped) });
    try {
      return await ask(whole);
    } catch (error) {
      const joined = joinRoles(whole);
      if (codeOf(error) !== 'template' || joined.length === whole.length) throw error;
      return ask(joined);
    }
  }

  /** Drops the oldest turns, and tells of it. @param {number} count */
  #drop(count) {
    if (count === 0) return;
    for (const { tokens } of this.#state.turns.splice(0, count)) this.#state.tokens -= tokens;
    this.#onOverflow();
  }

  /**
   * Keeps a turn; a system message is never dropped.
   *
   * @param {ChatMessage[]} messages
   * @param {number} tokens of the conversation with it
   */
  #keep(messages, tokens) {
    const state = this.#state;
    const systems = messages.filter(({ role }) => role === 'system');
    state.kept.push(...systems);
    state.turns.push({
      messages: messages.filter(({ role }) => role !== 'system'),
      tokens: Math.max(tokens - state.tokens, 0),
    });
    state.tokens = tokens;
  }
}

/**
 * Joins neighbours of one role, for the chat templates whose roles alternate.
 *
 * @param {ChatMessage[]} messages
 * @returns {ChatMessage[]}
 */
function joinRoles(messages) {
  /** @type {ChatMessage[]} */
  const joined = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (last?.role !== message.role) joined.push({ ...message });
    else last.content = `${last.content}\n\n${message.content}`;
  }
  return joined;
}
