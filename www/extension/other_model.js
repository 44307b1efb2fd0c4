/**
 * This module lets the card ask what is no engine of ours: Chrome's own model, or the server that
 * was turned on. The engine's document asks them, for a page may not (its policy, its origin) and
 * must not learn the server's key.
 */
import { readAnswer, spansOf } from '../lib/writing/correct.js';
import { applyEdits } from '../lib/writing/diff.js';
import { proofreadBy } from '../lib/writing/proofread.js';
import { correctionPrompt } from '../lib/writing/prompt.js';
import { SiskinError, codeOf, messageOf } from '../lib/errors.js';
import { changesWord } from './content_words.js';
import { OTHER_PORT, askWorker } from './messages.js';
import { changesNumber } from './number_words.js';

/** @import { ChatMessage } from '../lib/protocol.js' */
/** @import { ProofreadOptions } from '../lib/writing/options.js' */
/** @import { Answerer } from './answers.js' */

/** @typedef {{messages: ChatMessage[], max_tokens: number, temperature: number}} Question */

/** An `OtherModel` has of `Siskin` what the card needs. */
export class OtherModel {
  chat = {
    completions: {
      create: async (/** @type {Question & {signal: AbortSignal}} */ { signal, ...question }) =>
        chunksOf(ask(question, signal)),
    },
  };

  /**
   * Corrects a text, a sentence after the other. What the model writes must pass the guard that the
   * engine's own answers pass; there are no scores to choose by.
   *
   * @param {string} text
   * @param {ProofreadOptions} [options]
   */
  proofread(text, options) {
    return proofreadBy(text, options, async (task) => {
      const { sentence, language, signal } = task;
      const messages = correctionPrompt(sentence, language);
      const question = { messages, max_tokens: 32 + sentence.length, temperature: 0 };
      let answer = '';
      for await (const piece of ask(question, signal)) answer += piece;
      const { made } = readAnswer(task, answer, [], spansOf(sentence, language));
      return applyEdits(
        sentence,
        made.filter((edit) => !changesNumber(edit) && !changesWord(edit)),
      );
    });
  }
}

/**
 * Asks over a port of its own, which is closed when the answer is there or no longer wanted.
 *
 * @param {Question} question
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<string>} pieces of the answer
 */
async function* ask(question, signal) {
  await askWorker({ type: 'engine' });
  signal?.throwIfAborted();
  const port = chrome.runtime.connect({ name: OTHER_PORT });
  /** @type {any[]} */
  const messages = [];
  let wake = () => {};
  const put = (/** @type {any} */ message) => {
    messages.push(message);
    wake();
  };
  port.onMessage.addListener(put);
  port.onDisconnect.addListener(() =>
    put({ code: 'engine_gone', message: 'The answer was cut off. Try again.' }),
  );
  const abort = () => put({ code: 'aborted', message: 'The answer is no longer wanted.' });
  signal?.addEventListener('abort', abort);
  try {
    port.postMessage(question);
    for (;;) {
      while (messages.length === 0)
        await new Promise((/** @type {(value?: undefined) => void} */ done) => (wake = done));
      const { text, is_end, code, message } = messages.shift();
      if (code) throw new SiskinError(code, message);
      if (is_end) return;
      yield String(text);
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    port.disconnect();
  }
}

/** @param {AsyncIterable<string>} pieces */
async function* chunksOf(pieces) {
  for await (const content of pieces) yield { choices: [{ delta: { content } }] };
}

/**
 * Answers the question that comes over a port. This runs in the engine's document.
 *
 * @param {any} port
 * @param {Answerer} answerer
 */
export function serveOther(port, answerer) {
  const job = new AbortController();
  port.onDisconnect.addListener(() => job.abort());
  port.onMessage.addListener(async (/** @type {Question} */ question) => {
    const { messages, max_tokens, temperature } = question;
    const more = { max_tokens, temperature };
    const post = (/** @type {object} */ message) => job.signal.aborted || port.postMessage(message);
    try {
      const { chunks } = await answerer.answer(messages, { ...more, signal: job.signal });
      for await (const { choices } of chunks) {
        const text = choices[0]?.delta.content;
        if (text) post({ text });
      }
      post({ is_end: true });
    } catch (error) {
      post({ code: String(codeOf(error) ?? 'network'), message: messageOf(error) });
    }
  });
}
