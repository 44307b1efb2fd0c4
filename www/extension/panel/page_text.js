/**
 * This module reads the text of the tab beside the panel. It does so when it is asked to by a
 * click, and where the user has let the extension in: on the tab where its button, shortcut or menu
 * was used last (`activeTab`), or on all sites.
 */
import { isOff } from '../settings.js';

/** @import { Settings } from '../settings.js' */

/**
 * @typedef {object} PageText
 * @property {string} title of the page
 * @property {string} text of at most MAX_TOKENS, about
 * @property {number} characters how many the page or the selection has
 * @property {boolean} is_cut whether that is more than `text` has
 */

/**
 * A model of this size reads a prompt slowly, and forgets the middle of a long one; the answer
 * needs room too.
 */
const MAX_TOKENS = 2000;
/** Nothing longer leaves the page: more is cut off anyway. */
const MAX_CHARACTERS = 20_000;
/** Vocabularies have about this many tokens a character; of ideographs and kana, one. */
const TOKENS_PER_CHARACTER = 0.3;
const FIRST_IDEOGRAPH = 0x2e80;

/** A `PageTextError` says, in a message for people, why nothing could be read. */
export class PageTextError extends Error {}

/**
 * Reads the text of the active tab.
 *
 * @param {'selection' | 'page'} part
 * @param {Settings} settings
 * @returns {Promise<PageText>}
 * @throws {PageTextError}
 */
export async function readActiveTab(part, settings) {
  const [tab] = await chrome.tabs.query({ active: true, lastFocusedWindow: true });
  // Chrome tells the address only where the extension was let in.
  if (!tab?.url)
    throw new PageTextError(
      "Siskin has not been let into this page. Click on Siskin's button in the toolbar, or use a " +
        'shortcut of it on the page, and try again.',
    );
  const { protocol, hostname } = new URL(tab.url);
  if (!['http:', 'https:', 'file:'].includes(protocol))
    throw new PageTextError('Chrome lets no extension read this page.');
  if (isOff(settings, hostname))
    throw new PageTextError(`Siskin stays away from ${hostname}, as you chose in its options.`);
  const found = await runThere(tab.id, part);
  const longest = found.reduce((a, b) => (b.characters > a.characters ? b : a));
  if (longest.characters === 0)
    throw new PageTextError(
      part === 'selection' ? 'Nothing is selected on the page.' : 'The page has no text.',
    );
  const text = fit(longest.text);
  return {
    title: tab.title || hostname,
    text,
    characters: longest.characters,
    is_cut: text.length < longest.characters,
  };
}

/**
 * @param {number} tabId
 * @param {'selection' | 'page'} part
 * @returns {Promise<{text: string, characters: number}[]>} what each frame has
 */
async function runThere(tabId, part) {
  try {
    /** @type {{result: {text: string, characters: number} | null}[]} */
    const results = await chrome.scripting.executeScript({
      target: { tabId, allFrames: part === 'selection' },
      func: readFrame,
      args: [part, MAX_CHARACTERS],
    });
    return results.map(({ result }) => result ?? { text: '', characters: 0 });
  } catch {
    throw new PageTextError('Chrome lets no extension read this page.');
  }
}

/**
 * Runs in the page, in the extension's own world.
 *
 * @param {'selection' | 'page'} part
 * @param {number} max_characters
 */
function readFrame(part, max_characters) {
  const field = document.activeElement;
  let text = '';
  if (part === 'page') text = document.body?.innerText ?? '';
  else if (field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement) {
    // Fields of other types hold passwords, numbers and addresses; the selection has them, too.
    if (['textarea', 'text', 'search'].includes(field.type))
      text = field.value.slice(field.selectionStart ?? 0, field.selectionEnd ?? 0);
  } else text = String(getSelection() ?? '');
  text = text.trim().replace(/\n{3,}/g, '\n\n');
  return { text: text.slice(0, max_characters), characters: text.length };
}

/**
 * Returns the beginning of a text that has about MAX_TOKENS, cut between two words.
 *
 * @param {string} text
 * @returns {string}
 */
export function fit(text) {
  let tokens = 0;
  for (let at = 0; at < text.length; at++) {
    tokens += text.charCodeAt(at) < FIRST_IDEOGRAPH ? TOKENS_PER_CHARACTER : 1;
    if (tokens <= MAX_TOKENS) continue;
    const cut = text.slice(0, at);
    // A last word that is cut in two is left out; scripts without spaces have no such word.
    return cut.replace(/(?<=\s)\S{1,40}$/u, '').trimEnd() || cut;
  }
  return text;
}
