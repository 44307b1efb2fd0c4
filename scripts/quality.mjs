// This script corrects the texts of a quality set (tests/quality) in headless Chromium with the
// built package, and measures the corrections. It writes a line of JSON for each text to stdout,
// and the tables to stderr.
//
// node scripts/quality.mjs --file MODEL.gguf [--set development|held_out] [--threads N]
//   [--correct proofread|baseline] [--languages es,de] [--limit N] [--ids ID,ID] [--json FILE]
// node --no-liftoff --experimental-wasm-relaxed-simd scripts/quality.mjs --file MODEL.gguf
//   --record FILE [the others]
// node scripts/quality.mjs --results FILE [--set development|held_out]
//
// --correct baseline asks for the correction in one plain sentence, with greedy decoding, instead
// of calling siskin.proofread. --record runs on one thread in Node instead, by the sources of
// www/lib, and keeps all that the model says in FILE: what FILE knows is not computed again, so
// that thresholds and guards can be tried in seconds. Node 20 needs both flags. --results measures
// what another corrector made of the texts: lines {"id", "result", "ms"}.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { markdownTable } from '../www/demo/figures.js';
import { CONTEXT_TOKENS, openPage, serveBench } from './bench/engines.mjs';
import { median } from './bench/report.mjs';
import { judge, summarize } from './quality/measure.mjs';
import { loadModel } from './quality/node_model.mjs';
import { Recording } from './quality/recording.mjs';
import { proofread } from '../www/lib/writing/proofread.js';

const options = readOptions();
const entries = readLines(new URL(`../tests/quality/${options.set}.jsonl`, import.meta.url))
  .filter(({ id }) => !options.ids || options.ids.includes(id))
  .filter(({ language }) => !options.languages || options.languages.includes(language))
  .slice(0, options.limit);
const results = [];
let info = {};
if (options.results) {
  const known = new Map(readLines(options.results).map((result) => [result.id, result]));
  for (const entry of entries) if (known.has(entry.id)) add(entry, known.get(entry.id));
} else if (options.record) {
  await correctRecorded();
} else {
  await correctAll();
}
report();

/** Corrects every text in a page. */
async function correctAll() {
  const server = await serveBench(options.file);
  let page;
  try {
    page = await openPage(`${server.url}/bench/siskin`);
    info = await page.evaluate(load, { threads: options.threads, context_tokens: CONTEXT_TOKENS });
    // Times are of a model that is warm: it has read the prompt's beginning.
    if (entries.length) await page.evaluate(correct, { ...entries[0], way: options.correct });
    for (const entry of entries)
      add(entry, await page.evaluate(correct, { ...entry, way: options.correct }));
  } finally {
    await page?.close();
    await server.close();
  }
}

/** Corrects every text in Node, with what a recording knows. */
async function correctRecorded() {
  const recording = new Recording(options.record);
  const model = recording.model(() => loadModel(options.file, CONTEXT_TOKENS));
  for (const entry of entries) {
    const start = performance.now();
    const { correctedInput } = await proofread(model, entry.text, { languages: [entry.language] });
    add(entry, { result: correctedInput, ms: performance.now() - start });
  }
  console.error(`${recording.misses} calls of the model were not in ${options.record}.`);
}

/** Loads the model. Runs in the page. */
async function load({ threads, context_tokens }) {
  const { Siskin } = await import('/lib/siskin.js');
  window.siskin = await Siskin.load('/bench/model.gguf', {
    backend: 'cpu',
    contextTokens: context_tokens,
    threads,
  });
  const { name, build, threads: used } = window.siskin.info;
  return { model: name, build, threads: used };
}

/** Corrects one text. Runs in the page. */
async function correct({ text, language, way }) {
  const ways = {
    proofread: async () =>
      (await window.siskin.proofread(text, { languages: [language] })).correctedInput,
    baseline: async () => {
      const answer = await window.siskin.chat.completions.create({
        messages: [
          {
            role: 'user',
            content:
              'Correct the spelling and grammar of this text. Answer with the corrected text ' +
              `only.\n\n${text}`,
          },
        ],
        temperature: 0,
        max_tokens: 256,
      });
      return answer.choices[0].message.content.trim();
    },
  };
  const start = performance.now();
  const result = await ways[way]();
  return { result, ms: performance.now() - start };
}

/** Judges a result and prints it. */
function add(entry, { result, ms }) {
  const judgement = judge(entry, result);
  const { id, kind, text, accepted } = entry;
  results.push({ ...judgement, kind, text, result, accepted, ms });
  const { outcome } = judgement;
  console.log(JSON.stringify({ id, kind, outcome, text, result, ms: ms && Math.round(ms) }));
}

function report() {
  const languages = [...new Set(results.map(({ language }) => language))];
  const groups = new Map([['all', results]]);
  for (const language of languages)
    groups.set(
      language,
      results.filter((result) => result.language === language),
    );
  const summaries = [...groups].map(([name, group]) => [name, summarize(group), group]);
  console.error(table(summaries));
  if (options.json)
    writeFileSync(
      options.json,
      JSON.stringify({
        ...info,
        set: options.set,
        date: new Date().toISOString(),
        summaries: Object.fromEntries(summaries.map(([name, summary]) => [name, summary])),
        results,
      }),
    );
}

function table(summaries) {
  const percent = (share) => (Number.isFinite(share) ? `${(share * 100).toFixed(0)}%` : '-');
  const rows = [
    ['texts', ({ texts }) => texts],
    ['damaged, of all', ({ damaged_share }) => percent(damaged_share)],
    ['right ones unchanged', ({ right_unchanged_share }) => percent(right_unchanged_share)],
    ['wrong ones improved', ({ improved_share }) => percent(improved_share)],
    ['wrong: fixed', ({ fixed, wrong }) => `${fixed} of ${wrong}`],
    ['wrong: nearer', ({ improved }) => improved],
    ['wrong: as far', ({ sideways }) => sideways],
    ['wrong: unchanged', ({ unchanged }) => unchanged],
    ['wrong: damaged', ({ damaged }) => damaged],
    ['precision of edits', ({ precision }) => percent(precision)],
    ['recall of edits', ({ recall }) => percent(recall)],
    ['F0.5 of edits', ({ f05 }) => percent(f05)],
    ['ms a text, median', (_, group) => median(group.map(({ ms }) => ms))?.toFixed(0) ?? '-'],
    [
      's in all',
      (_, group) => (group.reduce((sum, { ms }) => sum + (ms ?? 0), 0) / 1e3).toFixed(1),
    ],
  ];
  return markdownTable([
    [options.set, ...summaries.map(([name]) => name)],
    ...rows.map(([title, cell]) => [
      title,
      ...summaries.map(([, summary, group]) => String(cell(summary, group))),
    ]),
  ]);
}

function readLines(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function readOptions() {
  const text = { type: 'string' };
  const { values } = parseArgs({
    options: {
      file: text,
      results: text,
      set: { ...text, default: 'development' },
      correct: { ...text, default: 'proofread' },
      threads: text,
      record: text,
      languages: text,
      limit: text,
      ids: text,
      json: text,
    },
  });
  if (!values.file === !values.results) stop('Either --file or --results is needed.');
  oneOf('set', ['development', 'held_out']);
  oneOf('correct', ['proofread', 'baseline']);
  if (values.record && (values.results || values.correct !== 'proofread'))
    stop('--record is of siskin.proofread, by a model.');
  return {
    ...values,
    threads: whole('threads'),
    limit: whole('limit'),
    ids: values.ids?.split(','),
    languages: values.languages?.split(','),
  };

  function oneOf(name, known) {
    if (!known.includes(values[name]))
      stop(`--${name} takes ${known.join(' or ')}, not "${values[name]}".`);
  }

  function whole(name) {
    if (values[name] === undefined) return undefined;
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1)
      stop(`--${name} takes a whole number above 0, not "${values[name]}".`);
    return number;
  }
}

function stop(message) {
  console.error(`\nSTOPPED: ${message}`);
  process.exit(1);
}
