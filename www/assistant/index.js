/** This module is what a page takes of the writing assistant. */
export { isAction } from './actions.js';
export { Assistant } from './assistant.js';
export { CornerButton } from './corner_button.js';
