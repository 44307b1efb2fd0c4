/**
 * This module holds what the chat page and the bench page share: the theme button, the skip link,
 * the service worker, files that are picked or dropped, and the card with an error.
 */
import { offline } from '../lib/siskin.js';
import { explain } from './advice.js';
import { byId } from './dom.js';
import { readItem, writeItem } from './storage.js';

/**
 * Sets up the parts that every page has.
 *
 * @param {() => HTMLElement} skipTarget returns what the skip link leads to
 */
export function startPage(skipTarget) {
  // Without a service worker the page has fewer threads and does not work offline; all else is the
  // same.
  offline.register({ url: '../sw.js', isolate: true }).catch(() => {});
  themeButton();
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    skipTarget().focus();
  });
}

/**
 * Lets the theme button switch between light and dark. A page may have a list too, `theme`, from
 * which the system's theme can be chosen again.
 */
function themeButton() {
  const button = byId('theme-button');
  const list = /** @type {HTMLSelectElement | null} */ (document.getElementById('theme'));
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const isDark = () => root.dataset.theme === 'dark';
  const label = () => {
    button.setAttribute('aria-label', isDark() ? 'Light theme' : 'Dark theme');
    button.title = isDark() ? 'Light theme' : 'Dark theme';
    if (list) list.value = readItem('local', 'siskin.theme') ?? 'system';
  };
  const choose = (/** @type {string} */ theme) => {
    writeItem('local', 'siskin.theme', theme === 'system' ? null : theme);
    root.dataset.theme = theme === 'system' ? (dark.matches ? 'dark' : 'light') : theme;
    label();
  };
  button.addEventListener('click', () => choose(isDark() ? 'light' : 'dark'));
  list?.addEventListener('change', () => choose(list.value));
  dark.addEventListener('change', label);
  label();
}

/**
 * Shows an error in a card's elements.
 *
 * @param {string} card the card's id
 * @param {unknown} error
 * @returns {string} the error's code
 */
export function fillErrorCard(card, error) {
  const { code, title, message } = explain(error);
  byId(`${card}-title`).textContent = title;
  byId(`${card}-message`).textContent = message;
  byId(`${card}-code`).textContent = code;
  return code;
}

/**
 * Lets the file button open a file.
 *
 * @param {(file: File) => void} onFile
 */
export function filePicker(onFile) {
  const input = /** @type {HTMLInputElement} */ (byId('file-input'));
  byId('file-button').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    // The same file can be picked again.
    input.value = '';
    if (file) onFile(file);
  });
}

/** @param {(file: File) => void} onFile */
export function dropZone(onFile) {
  const zone = byId('drop');
  const hasFile = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes('Files') ?? false;
  // dragenter and dragleave fire for every element that the pointer passes.
  let depth = 0;
  addEventListener('dragenter', (event) => {
    if (!hasFile(event)) return;
    depth += 1;
    zone.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (!hasFile(event)) return;
    depth = Math.max(0, depth - 1);
    zone.hidden = depth === 0;
  });
  addEventListener('dragover', (event) => {
    if (hasFile(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    depth = 0;
    zone.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (file) onFile(file);
  });
}
