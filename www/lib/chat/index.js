/** This module holds what a page needs to ask a model that is loaded. */
export { Completions } from './completions.js';
export { askLocally } from './local_answer.js';
