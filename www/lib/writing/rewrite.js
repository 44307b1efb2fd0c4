/** This module is the body of `siskin.rewrite`. */
import { readRewriteOptions, readText } from './options.js';
import { rewritePrompt } from './prompt.js';

/** @import { ChatCompletionChunk, Completions } from '../chat/completions.js' */
/** @import { RewriteOptions } from './options.js' */

/** What a rewritten text may have more of, in tokens, than its own characters. */
const MORE_TOKENS = 64;

/**
 * @param {{chat: {completions: Pick<Completions, 'create'>}}} model
 * @param {string} text
 * @param {RewriteOptions} [options]
 * @returns {Promise<string | AsyncIterableIterator<string>>}
 */
export async function rewrite({ chat }, text, options) {
  readText('rewrite', text);
  const { stream, signal, ...wishes } = readRewriteOptions(options);
  const request = {
    messages: rewritePrompt(text.trim(), wishes),
    temperature: 0,
    // A token has one character at least.
    max_tokens: MORE_TOKENS + text.length * (wishes.length === 'longer' ? 2 : 1),
    signal,
  };
  // Empty text has no other form, and a model would make something up.
  if (text.trim() === '') return stream ? pieces() : text;
  if (stream) return pieces(await chat.completions.create({ ...request, stream }));
  const { choices } = await chat.completions.create({ ...request, stream });
  return choices[0].message.content.trim();
}

/**
 * @param {AsyncIterableIterator<ChatCompletionChunk>} [chunks]
 * @returns {AsyncIterableIterator<string>}
 */
async function* pieces(chunks) {
  if (!chunks) return;
  for await (const { choices } of chunks) {
    const content = choices[0]?.delta.content;
    if (content) yield content;
  }
}
