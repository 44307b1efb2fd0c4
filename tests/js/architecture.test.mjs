// These tests hold for the library's files as a whole: which may import which, and how long they
// are.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LIBRARY = fileURLToPath(new URL('../../www/lib', import.meta.url));

/**
 * LAYERS names the folders that each folder may import, besides itself. Any file may import SHARED,
 * and the files at the top (the entry points) may import any folder; `builtin_ai` stands on an entry
 * itself. Imports of types alone are free.
 */
const LAYERS = {
  storage: [],
  model: ['storage'],
  chat: ['model'],
  writing: ['chat'],
  offline: ['chat', 'model', 'storage'],
  openai: ['chat'],
  ai_sdk: ['chat', 'siskin.js'],
  engine: ['model', 'offline/site_version.js'],
  builtin_ai: ['siskin.js'],
};
const SHARED = ['build.js', 'errors.js', 'parts.js', 'protocol.js'];

const MAX_LINES = 400;
const MAX_COLUMNS = 100;

const names = readdirSync(LIBRARY, { recursive: true }).filter((name) => name.endsWith('.js'));
const texts = new Map(names.map((name) => [name, readFileSync(join(LIBRARY, name), 'utf8')]));

/** Returns the files that a file imports when it runs, by their paths below the library. */
function importsOf(name) {
  const code = texts.get(name).replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
  const found = code.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'(\.[^']*)'/g);
  return [...found].map(([, path]) => normalize(join(dirname(name), path)));
}

const folderOf = (name) => (name.includes('/') ? name.split('/')[0] : '');

test('every import names a file of the library', () => {
  const broken = names.flatMap((name) =>
    importsOf(name)
      .filter((path) => !texts.has(path))
      .map((path) => `${name} imports ${path}`),
  );
  assert.deepEqual(broken, []);
});

test('folders import only the folders below them', () => {
  const wrong = [];
  for (const name of names) {
    const folder = folderOf(name);
    if (folder === '') continue;
    assert.ok(LAYERS[folder], `${folder}/ has no entry in LAYERS`);
    for (const path of importsOf(name)) {
      const allowed = [folder, ...LAYERS[folder], ...SHARED];
      if (!allowed.includes(folderOf(path)) && !allowed.includes(path))
        wrong.push(`${name} imports ${path}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no imports go in a circle', () => {
  const done = new Set();
  const visit = (name, path) => {
    assert.ok(!path.includes(name), `a circle: ${[...path, name].join(' -> ')}`);
    if (done.has(name)) return;
    for (const next of importsOf(name)) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of names) visit(name, []);
});

/** The folders that stand on the library, and what each may import of the others. */
const ABOVE = {
  assistant: [/^\.\.\/lib\/writing\//],
  extension: [/^(\.\.\/)+(lib|assistant|demo)\//],
};
for (const folder of Object.keys(ABOVE)) {
  const path = join(LIBRARY, '..', folder);
  for (const name of readdirSync(path, { recursive: true }))
    if (name.endsWith('.js'))
      texts.set(`../${folder}/${name}`, readFileSync(join(path, name), 'utf8'));
}
const all_names = [...texts.keys()];

test('the assistant knows nothing of extensions, and both only what is below them', () => {
  const wrong = [];
  for (const [folder, allowed] of Object.entries(ABOVE))
    for (const name of all_names.filter((name) => name.startsWith(`../${folder}/`))) {
      const code = texts.get(name).replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
      if (folder === 'assistant' && /\bchrome\b/.test(code)) wrong.push(`${name} uses chrome`);
      for (const [, path] of code.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'(\.[^']*)'/g)) {
        const is_own = normalize(join(dirname(name), path)).startsWith(`../${folder}/`);
        if (!is_own && !allowed.some((it) => it.test(path))) wrong.push(`${name} imports ${path}`);
        if (is_own && !texts.has(normalize(join(dirname(name), path))))
          wrong.push(`${name} imports ${path}, which is not there`);
      }
    }
  assert.deepEqual(wrong, []);
});

test('files are short', () => {
  const long = all_names.filter((name) => texts.get(name).trimEnd().split('\n').length > MAX_LINES);
  assert.deepEqual(long, []);
});

test('lines are short', () => {
  const long = all_names.flatMap((name) =>
    texts
      .get(name)
      .split('\n')
      .flatMap((line, index) => (line.length > MAX_COLUMNS ? [`${name}:${index + 1}`] : [])),
  );
  assert.deepEqual(long, []);
});
