// The built library has no comments but those that bundlers read, and is otherwise the source.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripComments } from '../../scripts/strip_comments.mjs';

test('comments go, with the lines that held nothing else', () => {
  const source = [
    '// A module.',
    '',
    "import { a } from './a.js'; // a",
    '',
    '/**',
    ' * Does something.',
    ' */',
    'export function f() {',
    '  // Why.',
    '  return a(/* an argument */ 1);',
    '}',
    '',
  ];
  const expected = [
    "import { a } from './a.js';",
    '',
    'export function f() {',
    '  return a( 1);',
    '}',
    '',
  ];
  assert.equal(stripComments(source.join('\n')), expected.join('\n'));
});

test('what looks like a comment in text stays, and so does what bundlers read', () => {
  const source = [
    "const url = 'https://example.org/*';",
    'const text = `',
    '// no comment',
    '`;',
    'const pattern = /[/*]/;',
    'await import(/* webpackIgnore: true */ /* @vite-ignore */ url);',
    '',
  ].join('\n');
  assert.equal(stripComments(source), source);
});

test('what is no JavaScript is refused', () => {
  assert.throws(() => stripComments('const = 1;'), SyntaxError);
});
