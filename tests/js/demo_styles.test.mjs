// The demo's style sheets hold to what the browsers of the README know: Chrome 96, Firefox 114 and
// Safari 16.4. A browser drops a declaration that it does not know, and a page without colours or
// places is what is left.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const FOLDER = new URL('../../www/demo/style/', import.meta.url);
const sheets = readdirSync(FOLDER).map((name) => [
  name,
  readFileSync(new URL(name, FOLDER), 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''),
]);

/** What is newer than one of those browsers, and where a page does not stand without it. */
const TOO_NEW = [
  [/light-dark\(/, 'Chrome 123, Firefox 120, Safari 17.5'],
  [/color-mix\(/, 'Chrome 111'],
  [/:has\(/, 'Chrome 105, Firefox 121'],
  [/@container|\bcq[wib]\b/, 'Chrome 105'],
  [/@layer/, 'Chrome 99'],
  [/@scope|@starting-style/, 'Chrome 118'],
  [/\(\s*(width|height)\s*[<>]/, 'Chrome 104'],
  [/\b(oklch|oklab|lch|lab)\(/, 'Chrome 111'],
  [/^\s*(translate|rotate|scale):/m, 'Chrome 104'],
  [/subgrid/, 'Chrome 117, Firefox 71'],
];

test('no sheet needs what a browser of the README lacks', () => {
  assert.ok(sheets.length > 5);
  for (const [name, css] of sheets)
    for (const [feature, since] of TOO_NEW)
      assert.doesNotMatch(css, feature, `${name}: ${feature} came with ${since}`);
});

test('rules are not nested, and dynamic heights have a plain one before them', () => {
  for (const [name, css] of sheets) {
    /** @type {boolean[]} whether each open brace is a rule's */
    const open = [];
    for (const [, head, brace] of css.matchAll(/([^{};]*)([{};])/g)) {
      if (brace === '}') open.pop();
      if (brace !== '{') continue;
      assert.ok(!open.includes(true), `${name}: "${head.trim()}" is nested in a rule`);
      open.push(!head.trim().startsWith('@'));
    }
    assert.equal(open.length, 0, `${name}: a brace is left open`);
    assert.doesNotMatch(
      css.replace(/(\w+): ([\d.]+)vh;\s*\1: \2d?vh;/g, ''),
      /\d(dvh|svh|lvh|dvw)/,
      `${name}: a dynamic unit without a plain one before it`,
    );
  }
});

test('every colour is named in colors.css, in both themes', () => {
  const colors = sheets.find(([name]) => name === 'colors.css')[1];
  const [light, dark] = colors
    .split('}')
    .slice(0, 2)
    .map((rule) => [...rule.matchAll(/(--[\w-]+):/g)].map(([, name]) => name));
  assert.deepEqual(dark, light);
  const known = new Set([...light, '--radius', '--column']);
  for (const [name, css] of sheets)
    for (const [, used] of css.matchAll(/var\((--[\w-]+)/g))
      assert.ok(known.has(used), `${name} uses ${used}, which is not set`);
});
