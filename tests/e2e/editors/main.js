// This page has one editor, which its address names. `window.textOf` returns the text in the
// editor's own state, `window.focusEditor` puts the caret into it, and `window.boldOf` returns what
// is bold there.
import { mountLexical, mountLexicalInShadow } from './lexical.js';
import { mountProseMirror } from './prosemirror.js';
import { mountQuill } from './quill.js';
import { mountReact } from './react.js';
import { mountSlate } from './slate.js';

const EDITORS = {
  prosemirror: mountProseMirror,
  lexical: mountLexical,
  'lexical-shadow': mountLexicalInShadow,
  slate: mountSlate,
  quill: mountQuill,
  react: mountReact,
};
/** The text of each editor: its second word is wrong, its fourth is bold. */
const PARTS = ['She have two ', 'cats', '. The keys are on the table.'];
const name = new URLSearchParams(location.search).get('editor');
Object.assign(window, await EDITORS[name](document.getElementById('editor'), PARTS));
window.is_mounted = true;
