// This script measures how long `siskin.proofread` takes for 200 characters, warm, in headless
// Chromium: until the first sentence with a change is known, and in all. Nothing else should run on
// the machine: the load that it begins with is said.
//
// node scripts/bench/proofread.mjs --file MODEL.gguf [--on cpu1,cpu2,gpu] [--runs 4]
//
// cpu1 is the processor with one thread. With gpu the page takes the card, whose adapter the table
// names. swiftshader stands in for a card where there is none; its time says nothing about cards.

import { cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { markdownTable } from '../../www/demo/figures.js';
import { SOFTWARE_GPU, WEBGPU } from '../chromium.mjs';
import { CONTEXT_TOKENS, openPage, serveBench } from './engines.mjs';
import { TEXTS } from './texts.mjs';

const { values } = parseArgs({
  options: {
    file: { type: 'string', default: '' },
    on: { type: 'string', default: 'cpu1,cpu2,gpu' },
    runs: { type: 'string', default: '4' },
  },
});
const places = values.on.split(',');
const runs = Number(values.runs);
const isPlace = (it) => /^(cpu[1-9]\d*|gpu|swiftshader)$/.test(it);
if (!values.file || !(runs >= 1) || !places.every(isPlace))
  stop('It takes --file FILE, --on cpu1,cpu2,gpu and --runs N.');

console.error(`${cpus().length} cores, load of the last minute ${loadavg()[0].toFixed(2)}`);
const rows = [];
const server = await serveBench(resolve(values.file));
try {
  for (const place of places) rows.push(await measure(place));
} finally {
  await server.close();
}
const heads = ['on', 'first change (s)', 'all (s)', 'changes'];
console.log(markdownTable([heads, ...rows]));

/** Measures on the processor with a number of threads, or on the card. Returns a row. */
async function measure(place) {
  const switches = { gpu: WEBGPU, swiftshader: SOFTWARE_GPU }[place] ?? [];
  const page = await openPage(`${server.url}/bench/siskin`, switches);
  try {
    const options = place.startsWith('cpu')
      ? { backend: 'cpu', threads: Number(place.slice(3)) }
      : { backend: 'gpu' };
    const where = await page.evaluate(load, { ...options, contextTokens: CONTEXT_TOKENS });
    // The model is loaded, and reads the beginning of its prompt.
    await page.evaluate(correct, TEXTS[0]);
    const timed = [];
    for (let run = 0; run < runs; run++) {
      timed.push(await page.evaluate(correct, TEXTS[(run + 1) % TEXTS.length]));
      console.error(`${place}: ${JSON.stringify(timed.at(-1))}`);
    }
    const seconds = (name) => timed.map((it) => (it[name] / 1000).toFixed(1)).join(', ');
    const changes = timed.map((it) => it.changes).join(', ');
    return [where, seconds('first_ms'), seconds('all_ms'), changes];
  } catch (error) {
    console.error(`${place}: ${error.message}`);
    return [place, 'failed', '-', '-'];
  } finally {
    await page.close();
  }
}

/** Loads the model and says where it runs. Runs in the page. */
async function load(options) {
  const { Siskin } = await import('/lib/siskin.js');
  window.siskin = await Siskin.load('/bench/model.gguf', options);
  const { backend, adapter, threads } = window.siskin.info;
  return backend === 'gpu' ? `gpu: ${adapter}` : `cpu, ${threads} thread(s)`;
}

/** Corrects a text. Runs in the page. */
async function correct(text) {
  const start = performance.now();
  let first_ms = NaN;
  const { corrections } = await window.siskin.proofread(text, {
    languages: ['en'],
    onSentence: (sentence) => {
      if (isNaN(first_ms) && sentence.corrections.length > 0) first_ms = performance.now() - start;
    },
  });
  return { first_ms, all_ms: performance.now() - start, changes: corrections.length };
}

function stop(message) {
  console.error(`\nSTOPPED: ${message}`);
  process.exit(2);
}
