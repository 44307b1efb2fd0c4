// This script looks how often what the real model rewrites passes the guard of the card
// (www/assistant/rewrite_guard.js): at once, when it is asked once more, or not at all. It runs in
// Node, on one thread, with the sources of www and the built wasm:
//
//   node --no-liftoff --experimental-wasm-relaxed-simd scripts/extension/rewrites.mjs [TEXTS]
//
// The texts are spread over those of tests/quality/development.jsonl that have something to keep: a
// number, a name, an address, a quote.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../www/assistant/actions.js';
import { keptParts } from '../../www/assistant/rewrite_guard.js';
import { loadModel } from '../quality/node_model.mjs';

const COUNT = Number(process.argv[2] ?? 20);
const ACTIONS = ['improve', 'formal', 'casual', 'shorter'];
const CONTEXT_TOKENS = 2048;
const FILE = join(
  process.env.SISKIN_MODELS ?? join(homedir(), '.cache/siskin/models'),
  'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
);

const lines = readFileSync(
  new URL('../../tests/quality/development.jsonl', import.meta.url),
  'utf8',
);
const all = lines
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line).text)
  .filter((text) => keptParts(text).length > 0);
const texts = Array.from({ length: COUNT }, (_, at) => all[Math.floor((at * all.length) / COUNT)]);
const model = await loadModel(FILE, CONTEXT_TOKENS);
const job = {
  signal: new AbortController().signal,
  dictionary: [],
  onText: () => {},
  onEdits: () => {},
};
const counts = new Map(ACTIONS.map((action) => [action, { first: 0, second: 0, refused: 0 }]));
for (const action of ACTIONS)
  for (const text of texts) {
    let tries = 0;
    const create = (request) => {
      tries += 1;
      return model.chat.completions.create(request);
    };
    let said;
    try {
      said = (await run({ chat: { completions: { create } } }, text, { action }, job)).text;
      counts.get(action)[tries > 1 ? 'second' : 'first'] += 1;
    } catch (error) {
      said = error.message;
      counts.get(action).refused += 1;
    }
    console.log(JSON.stringify({ action, tries, text, said }));
  }
console.log(`| ${texts.length} texts | shown at once | when asked once more | refused |`);
console.log('|---|---|---|---|');
for (const [action, { first, second, refused }] of counts)
  console.log(`| ${action} | ${first} | ${second} | ${refused} |`);
