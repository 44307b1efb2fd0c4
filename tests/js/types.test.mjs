// These tests compile programs that use the library's types, and compare the list of error codes
// with those that the engine and the library throw.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FIELDS } from '../../www/lib/chat/request.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'pkg/node_modules/.bin/tsc');
const read = (name) => readFileSync(join(ROOT, name), 'utf8');
const absent = existsSync(join(ROOT, 'pkg/node_modules/openai7'))
  ? false
  : 'SKIPPED: npm ci in pkg/ brings openai';

test("programs compile, with OpenAI's types in both directions", { skip: absent }, () => {
  try {
    execFileSync(TSC, ['-p', 'tests/types'], { cwd: ROOT, encoding: 'utf8' });
  } catch ({ stdout }) {
    assert.fail(stdout);
  }
});

/** Returns the codes that the type has. */
function typedCodes() {
  const [, union] = /@typedef \{([^}]*)\} SiskinErrorCode/.exec(read('www/lib/errors.js'));
  return new Set([...union.matchAll(/'(\w+)'/g)].map(([, code]) => code));
}

test('the type of the codes has those of the engine and of the library', () => {
  const engine = [...read('src/error.rs').matchAll(/^ {4}\w+ = "(\w+)",$/gm)];
  const codes = new Set(engine.map(([, code]) => code));
  codes.delete('io');
  for (const name of readdirSync(join(ROOT, 'www/lib'), { recursive: true }))
    if (name.endsWith('.js'))
      for (const [, code] of read(`www/lib/${name}`).matchAll(/SiskinError\(\s*'(\w+)'/g))
        codes.add(code);
  assert.ok(codes.size > 35);
  assert.deepEqual([...typedCodes()].sort(), [...codes].sort());
});

test('the list of fields in an error has all that the type and the engine have', () => {
  const typed = [];
  for (const [file, type] of [
    ['www/lib/protocol.js', 'ChatRequest'],
    ['www/lib/chat/completions.js', 'CompletionFields'],
  ]) {
    const [block] = new RegExp(`@typedef \\{object\\} ${type}\\n[^]*?\\*/`).exec(read(file));
    for (const [, name] of block.matchAll(/@property \{.*\} \[?(\w+)\]?/g)) typed.push(name);
  }
  assert.deepEqual([...FIELDS].sort(), [...typed, 'stream'].sort());
  const engine = [...read('src/session/request.rs').matchAll(/\.take(?:::<\w+>)?\(\s*"(\w+)"/g)];
  assert.ok(engine.length > 15);
  for (const [, name] of engine) assert.ok(FIELDS.includes(name), name);
});
