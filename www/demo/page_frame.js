/**
 * This module is the page's frame: the theme button, the skip link, dropped files, and the icons.
 */
import { byId } from './dom.js';

/** Lets the theme button switch between the system's theme and the other one. */
export function themeButton() {
  const button = byId('theme-button');
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches);
  const label = () => {
    button.setAttribute('aria-label', isDark() ? 'Light theme' : 'Dark theme');
    button.title = isDark() ? 'Light theme' : 'Dark theme';
  };
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    try {
      localStorage.setItem('siskin.theme', root.dataset.theme);
    } catch {
      // Storage may be forbidden: the theme then lasts until the page is closed.
    }
    label();
  });
  dark.addEventListener('change', label);
  label();
}

/** @param {() => HTMLElement} target what is worth skipping to now */
export function skipLink(target) {
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    target().focus();
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
