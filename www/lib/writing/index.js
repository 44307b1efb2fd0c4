/** This module is the part of the library that corrects and rewrites texts. */
export { proofread } from './proofread.js';
export { rewrite } from './rewrite.js';
