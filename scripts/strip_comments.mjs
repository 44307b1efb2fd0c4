// Takes the comments out of the JavaScript of a built folder: a third of what visitors would download
// of the library. Types are made from the sources, which keep theirs.
//
//   node scripts/strip_comments.mjs FOLDER
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { parse } = createRequire(new URL('../pkg/package.json', import.meta.url))('espree');

/** Comments that bundlers or lawyers read. */
const KEPT = /@vite-ignore|webpackIgnore|@license|@preserve/;

/**
 * Returns the text without its comments, and without the lines that held nothing else.
 *
 * @param {string} text JavaScript, a module
 * @throws {SyntaxError}
 */
export function stripComments(text) {
  const { comments } = parse(text, {
    comment: true,
    range: true,
    ecmaVersion: 'latest',
    sourceType: 'module',
  });
  let stripped = '';
  let at = 0;
  for (const { range, value } of comments) {
    if (KEPT.test(value)) continue;
    let [start, end] = range;
    const lineStart = text.lastIndexOf('\n', start - 1) + 1;
    const before = text.slice(Math.max(lineStart, at), start);
    const lineEnd = text.indexOf('\n', end);
    const after = text.slice(end, lineEnd < 0 ? text.length : lineEnd);
    if (after.trim() === '') {
      if (before.trim() === '' && lineStart >= at) {
        // The comment has its lines to itself: they go with it.
        start = lineStart;
        end = lineEnd < 0 ? text.length : lineEnd + 1;
      } else {
        start -= before.length - before.trimEnd().length;
      }
    }
    stripped += text.slice(at, start);
    // Of blank lines on both sides of a comment, one is left.
    while (text[end] === '\n' && (stripped === '' || stripped.endsWith('\n\n'))) end++;
    at = end;
  }
  return stripped + text.slice(at);
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  const [folder] = process.argv.slice(2);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.js')) continue;
    const path = join(entry.parentPath, entry.name);
    writeFileSync(path, stripComments(readFileSync(path, 'utf8')));
  }
}
