// This script measures what drafts (prompt lookup) gain where a text is corrected, and what they
// cost where nothing is repeated: it asks for each text of tests/quality/corrections.jsonl, and a few
// questions, twice, without drafts and with them, of the same engine in headless Chromium. It prints
// medians and their ratio, and fails if two texts differ.
//
// node scripts/bench/speculation.mjs --file MODEL.gguf [--threads 1,2] [--limit N] [--json FILE]
//
// $SISKIN_CHROMIUM is the browser's program.

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openSiskin, serveBench } from './engines.mjs';

const TEXTS = new URL('../../tests/quality/corrections.jsonl', import.meta.url);
const SYSTEM =
  'Correct the mistakes in the text. Answer with the corrected text only, and change nothing else.';
const EXAMPLE = [
  'My sister live in a small town near the see. She have two cats, and she like to reads in the ' +
    'evening. Last week her was ill and could not went to work.',
  'My sister lives in a small town near the sea. She has two cats, and she likes to read in the ' +
    'evening. Last week she was ill and could not go to work.',
];

/** The answers to these repeat little. */
const QUESTIONS = [
  'Why is the sky blue?',
  'Tell me a short story about a lighthouse.',
  'What should I think of when I buy a used bicycle?',
];

const options = readOptions();
const texts = readFileSync(TEXTS, 'utf8').trim().split('\n').slice(0, options.limit);
const requests = texts.map((line) => {
  const { id, text } = JSON.parse(line);
  const [wrong, right] = EXAMPLE;
  const messages = [
    { role: 'system', content: SYSTEM },
    { role: 'user', content: wrong },
    { role: 'assistant', content: right },
    { role: 'user', content: text },
  ];
  return { kind: 'corrections', id, messages };
});
for (const [index, content] of QUESTIONS.slice(0, options.limit).entries())
  requests.push({
    kind: 'questions',
    id: `question-${index + 1}`,
    messages: [{ role: 'user', content }],
  });
const KINDS = [...new Set(requests.map(({ kind }) => kind))];
const runs = [];
const server = await serveBench(options.file);
try {
  for (const threads of options.threads) await measure(threads);
} finally {
  await server.close();
}
report();

/** Asks for every text in turns, without drafts and with them, of one engine. */
async function measure(threads) {
  const engine = await openSiskin({ server_url: server.url, threads });
  try {
    await engine.load();
    // The first answer comes while the browser still optimizes the code.
    await engine.correct(requests[0].messages, undefined);
    for (const [index, { kind, id, messages }] of requests.entries()) {
      const order = index % 2 ? [undefined, 0] : [0, undefined];
      const answers = new Map();
      for (const draft_max of order)
        answers.set(draft_max, await engine.correct(messages, draft_max));
      const run = { kind, id, threads, plain: answers.get(0), drafted: answers.get(undefined) };
      runs.push(run);
      const [plain, drafted] = [rateOf(run.plain), rateOf(run.drafted)];
      say(
        `${threads} thread(s), ${id}: ${plain.toFixed(1)} and ${drafted.toFixed(1)} tokens/s ` +
          `(${(drafted / plain).toFixed(2)}), ${run.plain.completion_tokens} tokens` +
          (isEqual(run) ? '' : ': THE TEXTS DIFFER'),
      );
    }
  } finally {
    await engine.close();
  }
}

function report() {
  console.log(
    `${basename(options.file)}, ${texts.length} corrections, ${cpus()[0]?.model ?? 'unknown'}`,
  );
  console.log(
    '\n| answers | threads | tokens/s | with drafts | ratio of medians | median of ratios | ' +
      'tokens that were drafts | drafts that were right | equal texts |',
  );
  console.log(`|---|${'--:|'.repeat(8)}`);
  for (const kind of KINDS)
    for (const threads of options.threads)
      console.log(
        `| ${kind} | ${threads} | ` +
          rowOf(runs.filter((run) => run.kind === kind && run.threads === threads)),
      );
  if (options.json) {
    const machine = { cpu: cpus()[0]?.model, load_average: loadavg()[0], date: new Date() };
    const result = { model: basename(options.file), machine, runs };
    writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
    say(`wrote ${options.json}`);
  }
  if (!runs.every(isEqual)) {
    console.error('\nFAILED: an answer with drafts differs from the one without.');
    process.exitCode = 1;
  }
}

/** Returns the figures of some answers as the end of a table's row. */
function rowOf(runs) {
  const plain = median(runs.map((run) => rateOf(run.plain)));
  const drafted = median(runs.map((run) => rateOf(run.drafted)));
  const ratio = median(runs.map((run) => rateOf(run.drafted) / rateOf(run.plain)));
  const sum = (value) => runs.reduce((sum, { drafted }) => sum + (value(drafted) ?? 0), 0);
  const right = sum(({ draft_n_accepted }) => draft_n_accepted);
  const share = right / sum(({ completion_tokens }) => completion_tokens);
  const rate =
    right /
    Math.max(
      1,
      sum(({ draft_n }) => draft_n),
    );
  const percent = (share) => `${(100 * share).toFixed(0)}%`;
  return (
    `${plain.toFixed(1)} | ${drafted.toFixed(1)} | ${(drafted / plain).toFixed(2)} | ` +
    `${ratio.toFixed(2)} | ${percent(share)} | ${percent(rate)} | ` +
    `${runs.filter(isEqual).length} of ${runs.length} |`
  );
}

/** Returns the tokens a second from the first token to the last. */
function rateOf({ completion_tokens, decode_ms }) {
  return ((completion_tokens - 1) * 1000) / decode_ms;
}

function isEqual({ plain, drafted }) {
  return plain.text === drafted.text && plain.completion_tokens === drafted.completion_tokens;
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      file: { type: 'string', default: '' },
      threads: { type: 'string', default: '1,2' },
      limit: { type: 'string', default: '20' },
      json: { type: 'string', default: '' },
    },
  });
  if (!values.file) stop('--file is needed.');
  const whole = (name, text) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1)
      stop(`--${name} takes whole numbers from 1, not "${text}".`);
    return number;
  };
  return {
    file: resolve(values.file),
    threads: values.threads.split(',').map((text) => whole('threads', text)),
    limit: whole('limit', values.limit),
    json: values.json,
  };
}

function say(text) {
  console.error(`    ${text}`);
}

function stop(message) {
  console.error(`\nSTOPPED: ${message}`);
  process.exit(2);
}
