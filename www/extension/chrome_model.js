/** This module reaches Chrome's own model, where the browser has one. */

/** @import { ChatMessage } from '../lib/protocol.js' */

/**
 * Returns whether Chrome's own model can be used: `available` means at once and without a download.
 *
 * @returns {Promise<'unavailable' | 'downloadable' | 'downloading' | 'available'>}
 */
export async function chromeModelState() {
  const { LanguageModel } = /** @type {any} */ (globalThis);
  if (!LanguageModel) return 'unavailable';
  return LanguageModel.availability().catch(() => 'unavailable');
}

/**
 * Answers with Chrome's own model.
 *
 * @param {ChatMessage[]} messages the last one is the question
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<string>} pieces of the answer
 */
export async function* askChromeModel(messages, signal) {
  const { LanguageModel } = /** @type {any} */ (globalThis);
  const session = await LanguageModel.create({ initialPrompts: messages.slice(0, -1), signal });
  try {
    yield* session.promptStreaming([messages[messages.length - 1]], { signal });
  } finally {
    session.destroy();
  }
}
