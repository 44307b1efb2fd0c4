// These tests read the docs without running them: links, the syntax of configurations, and whether
// tables are complete. tests/e2e/docs.test.mjs runs the examples.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FIELDS } from '../../www/lib/chat/request.js';
import { docBlocks, docPages, readPage } from '../e2e/helpers/doc_blocks.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path) => readFileSync(join(ROOT, path), 'utf8');

/** Returns the words in backquotes in the first column of a page's tables. */
function namesInTables(page) {
  const rows = readPage(page).matchAll(/^\| (`[^|]*`) \|/gm);
  return [...rows].flatMap(({ 1: cell }) =>
    [...cell.matchAll(/`(\w+)[^`]*`/g)].map((match) => match[1]),
  );
}

/** Returns the anchors that a page's headings get. */
function anchorsOf(text) {
  const headings = text.replace(/^```[^]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(({ 1: title }) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('every link leads to a file and a heading that are there', () => {
  const dead = [];
  for (const page of docPages()) {
    const text = readPage(page).replace(/^```[^]*?^```$/gm, '');
    for (const { 1: target } of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path, anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(ROOT, file))) dead.push(`${page}: ${target}`);
      else if (anchor && !anchorsOf(read(file)).includes(anchor)) dead.push(`${page}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
});

test('every page of the guide is in the menu of the site', () => {
  const { projectDocuments, readme } = JSON.parse(read('docs/typedoc.json'));
  const guide = readdirSync(join(ROOT, 'docs/guide')).map((name) => `guide/${name}`);
  assert.deepEqual([...projectDocuments, readme].sort(), guide.sort());
});

/** What is known of each language of a block. Those without a check are run or compiled elsewhere. */
const CHECKS = {
  js: ({ code }) => {
    execFileSync(process.execPath, ['--check', '--input-type=module', '-'], {
      input: code,
      stdio: 'pipe',
    });
  },
  json: ({ code }) => JSON.parse(code),
  sh: ({ code }) => execFileSync('bash', ['-n'], { input: code, stdio: 'pipe' }),
  http: ({ code }) => {
    for (const line of code.trim().split('\n')) assert.match(line, /^[A-Za-z-]+: \S/);
  },
  nginx: ({ code }) => {
    assertBraces(code);
    for (const line of code.trim().split('\n')) assert.match(line, /[;{}]$/);
  },
  apache: ({ code }) => {
    const open = code.match(/<\w+/g).map((tag) => tag.slice(1));
    const closed = code.match(/<\/\w+/g).map((tag) => tag.slice(2));
    assert.deepEqual(open, closed);
  },
  text: ({ file, code }) => {
    if (file === 'Caddyfile') return assertBraces(code);
    assert.equal(file, '_headers');
    for (const line of code.trimEnd().split('\n'))
      assert.match(line, /^(\/\S*| {2}[A-Za-z-]+: \S.*)$/);
  },
  html: () => {},
  svelte: () => {},
  ts: () => {},
  tsx: () => {},
  vue: () => {},
};

function assertBraces(code) {
  assert.equal(code.split('{').length, code.split('}').length, 'braces');
}

describe('the syntax of the example at', () => {
  for (const block of docBlocks())
    test(block.name, () => {
      assert.ok(CHECKS[block.language], `no test knows the language ${block.language}`);
      CHECKS[block.language](block);
    });
});

test('what the examples import of the package is there', () => {
  const { exports: entries } = JSON.parse(read('pkg/package.json'));
  const imported = docBlocks().flatMap(({ code }) =>
    [...code.matchAll(/(?:from|import) 'siskin(\/[^']*)?'/g)].map((match) => `.${match[1] ?? ''}`),
  );
  assert.ok(imported.length > 10, 'the imports were found');
  assert.deepEqual(
    imported.filter((name) => !(name in entries)),
    [],
  );
});

test('both headers of isolation are in the words of every host', () => {
  const sections = readPage('docs/guide/threads.md').split(/^## /m).slice(2);
  const hosts = sections.filter((section) => !/^(GitHub Pages|A Chrome extension)/.test(section));
  assert.equal(hosts.length, 8);
  for (const section of hosts) {
    assert.match(section, /Cross-Origin-Opener-Policy\W+(value\W+)?same-origin/, section);
    assert.match(section, /Cross-Origin-Embedder-Policy\W+(value\W+)?require-corp/, section);
  }
});

test('the table of errors has every code', () => {
  const rust = [...read('src/error.rs').matchAll(/^ +[A-Z]\w+ = "([a-z_]+)",$/gm)].map(
    (match) => match[1],
  );
  const javascript = [...read('www/lib/errors.js').matchAll(/^ \* - `([a-z_]+)`/gm)].map(
    (match) => match[1],
  );
  assert.ok(rust.length > 20 && javascript.length > 10, 'the codes were found');
  const known = new Set([...rust, ...javascript].filter((code) => !/^(busy|io)$/.test(code)));
  assert.deepEqual(namesInTables('docs/guide/errors.md').sort(), [...known].sort());
});

test('the table of load has every option', () => {
  const source = read('www/lib/load_options.js');
  const type = source.slice(source.indexOf('@typedef {object} LoadOptions'));
  const options = [...type.slice(0, type.indexOf('*/')).matchAll(/\[(\w+)\]/g)].map(
    (match) => match[1],
  );
  assert.ok(options.length > 10, 'the options were found');
  assert.deepEqual(namesInTables('docs/guide/options.md').sort(), options.sort());
});

test('the table of requests has every field', () => {
  assert.deepEqual(namesInTables('docs/guide/requests.md').sort(), [...FIELDS].sort());
});

test('the reference has every export of the package', () => {
  const index = read('www/lib/index.js');
  const reference = read('docs/site/reference.ts');
  const types = [...index.matchAll(/@typedef \{import\('[^']+'\)\.(\w+)\}/g)].map(
    (match) => match[1],
  );
  const values = /^export \{ (.*) \} from/m.exec(index)[1].split(', ');
  assert.ok(types.length > 10 && values.length > 3, 'the exports were found');
  const missing = [...types, ...values].filter(
    (name) => !new RegExp(`\\b${name}\\b`).test(reference),
  );
  assert.deepEqual(missing, []);
});
