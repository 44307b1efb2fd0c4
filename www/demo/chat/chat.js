/**
 * This module is the chat: it sends messages, keeps conversations, and takes them up again. What is
 * shown and what is kept are made of the same list of messages.
 */
import { announce, byId } from '../dom.js';
import { formatRate } from '../format.js';
import { readItem, writeItem } from '../storage.js';
import { Composer } from './composer.js';
import { ConversationView } from './conversation.js';
import { newConversation, requestMessages } from './history.js';

/** @import { ChatCompletionChunk } from '../../lib/index.js' */
/** @import { AnswerView } from './answer_view.js' */
/** @import { Conversation, History } from './history.js' */
/** @import { ModelSession } from '../model_session.js' */
/** @import { Settings } from '../settings.js' */

/** While an answer is written, what is there of it is kept this often. */
const KEEP_MS = 1000;
/** The rate is shown this often. */
const RATE_MS = 250;
/** The session storage says which conversation a reload goes on with. */
const KEY = 'siskin.conversation';

export class Chat {
  conversation = newConversation();
  #session;
  #settings;
  #history;
  #handlers;
  #view = new ConversationView({
    onEdit: (index, text) => this.#edit(index, text),
    onRegenerate: () => this.regenerate(),
  });
  #composer = new Composer({ onSend: (text) => this.send(text), onStop: () => this.stop() });
  /** @type {AbortController | undefined} */
  #answering;
  /** Resolves when the last answer has ended. @type {Promise<void>} */
  #answered = Promise.resolve();

  /**
   * @param {object} parts
   * @param {ModelSession} parts.session
   * @param {Settings} parts.settings
   * @param {History} parts.history
   * @param {object} handlers
   * @param {() => void} handlers.onChange called when a conversation was kept or another is shown
   * @param {() => void} handlers.onAnswered
   * @param {(error: unknown, retry: () => void) => {label: string, run: () => void}} handlers.remedy
   */
  constructor({ session, settings, history }, handlers) {
    this.#session = session;
    this.#settings = settings;
    this.#history = history;
    this.#handlers = handlers;
  }

  get isAnswering() {
    return this.#answering !== undefined;
  }

  focus() {
    this.#composer.focus();
  }

  /** Shows the conversation that this tab showed before a reload. */
  async restore() {
    const id = readItem('session', KEY);
    const kept = id ? await this.#history.get(id) : undefined;
    if (kept && this.conversation.messages.length === 0) this.#show(kept);
  }

  /** @param {string} id of a conversation that is kept */
  async open(id) {
    await this.stop();
    const kept = await this.#history.get(id);
    if (kept) this.#show(kept);
  }

  async startOver() {
    await this.stop();
    this.#show(newConversation());
  }

  /** @param {Conversation} conversation */
  #show(conversation) {
    this.conversation = conversation;
    writeItem('session', KEY, conversation.id);
    this.#view.show(conversation.messages);
    byId('rate').textContent = '';
    this.#handlers.onChange();
  }

  /**
   * Stops the answer that is written.
   *
   * @returns {Promise<void>} when it has ended
   */
  stop() {
    this.#answering?.abort();
    return this.#answered;
  }

  /** @param {string} text */
  send(text) {
    if (this.#answering) return;
    this.conversation.messages.push({ role: 'user', content: text });
    this.#answerLast();
  }

  /** Answers the last message anew. */
  regenerate() {
    const { messages } = this.conversation;
    if (this.#answering) return;
    if (messages[messages.length - 1]?.role === 'assistant') messages.pop();
    if (messages.length > 0) this.#answerLast();
    this.focus();
  }

  /**
   * @param {number} index
   * @param {string} text
   */
  async #edit(index, text) {
    await this.stop();
    this.conversation.messages.splice(index, Infinity, { role: 'user', content: text });
    this.#answerLast();
    this.focus();
  }

  #answerLast() {
    this.#view.show(this.conversation.messages);
    this.#answered = this.#answer(this.conversation);
  }

  /** @param {Conversation} conversation */
  async #answer(conversation) {
    const { siskin, name } = this.#session;
    if (!siskin) return;
    const controller = new AbortController();
    this.#answering = controller;
    const { messages } = conversation;
    const request = requestMessages(messages);
    const system = this.#settings.systemPrompt;
    const view = this.#view.addAnswer();
    this.#composer.answering = true;
    announce('Writing an answer.');
    const keeping = setInterval(() => this.#keep(conversation), KEEP_MS);
    this.#keep(conversation);
    /** @type {ChatCompletionChunk | undefined} */
    let last;
    /** @type {import('./history.js').Message | undefined} */
    let reply;
    let shown_ms = 0;
    try {
      const chunks = await siskin.chat.completions.create({
        ...this.#settings.request,
        messages: system ? [{ role: 'system', content: system }, ...request] : request,
        stream: true,
        signal: controller.signal,
      });
      for await (const chunk of chunks) {
        const rate = view.add(chunk);
        if (view.text && !reply) {
          reply = { role: 'assistant', content: '', model: name, notes: 'stopped' };
          messages.push(reply);
        }
        if (reply) reply.content = view.text;
        if (rate > 0 && performance.now() - shown_ms > RATE_MS) {
          shown_ms = performance.now();
          byId('rate').textContent = formatRate(rate);
        }
        if (chunk.choices[0]?.finish_reason) last = chunk;
      }
      this.#finish(view, last, reply);
    } catch (error) {
      if (controller.signal.aborted) this.#finish(view, undefined, reply);
      else
        view.fail(
          error,
          this.#handlers.remedy(error, () => this.regenerate()),
        );
    } finally {
      clearInterval(keeping);
      this.#keep(conversation);
      this.#answering = undefined;
      this.#composer.answering = false;
      this.#handlers.onAnswered();
    }
  }

  /**
   * @param {AnswerView} view
   * @param {ChatCompletionChunk | undefined} last
   * @param {import('./history.js').Message | undefined} reply
   */
  #finish(view, last, reply) {
    const notes = view.finish(last, this.#session.name);
    if (reply) reply.notes = notes;
    if (last?.timings?.decode_tokens_per_second)
      byId('rate').textContent = formatRate(last.timings.decode_tokens_per_second);
  }

  /** @param {Conversation} conversation */
  #keep(conversation) {
    conversation.updated_ms = Date.now();
    writeItem('session', KEY, conversation.id);
    void this.#history.put(conversation).then(() => this.#handlers.onChange());
  }
}
