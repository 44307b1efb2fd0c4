/** This module writes a conversation as a file. */
import { titleOf } from './history.js';

/** @import { Conversation } from './history.js' */

/**
 * @param {Conversation} conversation
 * @returns {string} Markdown: a heading a speaker, and the messages as they were written
 */
export function toMarkdown(conversation) {
  const turns = conversation.messages.map(({ role, content, model, notes }) => {
    const speaker = role === 'user' ? 'You' : model || 'Assistant';
    return `## ${speaker}\n\n${content.trim()}\n${notes ? `\n*${notes}*\n` : ''}`;
  });
  return `# ${titleOf(conversation)}\n\n${turns.join('\n')}`;
}

/**
 * @param {Conversation} conversation
 * @returns {string} JSON whose `messages` are those of a chat request
 */
export function toJson(conversation) {
  const { id, updated_ms, messages } = conversation;
  return `${JSON.stringify(
    { id, title: titleOf(conversation), updated: new Date(updated_ms).toISOString(), messages },
    null,
    2,
  )}\n`;
}

/**
 * Lets the browser save a text as a file.
 *
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // Safari reads the address after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * @param {Conversation} conversation
 * @param {string} extension
 * @returns {string} such as "correct-the-grammar.md"
 */
export function fileName(conversation, extension) {
  const words = titleOf(conversation)
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? ['chat'];
  return `${words.slice(0, 6).join('-')}.${extension}`;
}
