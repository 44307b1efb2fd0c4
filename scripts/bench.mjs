// This script measures Siskin and its peers on the same model file, with the same prompts and in
// the same Chromium, in turn. It prints medians and ratios to stdout.
//
// node scripts/bench.mjs --file MODEL.gguf [--threads 1,2] [--prompt 128] [--generate 48]
//   [--peer wllama,native,transformers] [--rounds 3] [--json FILE] [--python PROGRAM]
//   [--onnx FOLDER --transformers FOLDER]
//
// $SISKIN_CHROMIUM is the browser's program. The Python that --python names must have the wheel
// xllamacpp. --onnx names the model as transformers.js loads it, --transformers where its npm
// packages are.

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { figuresOf } from '../www/demo/figures.js';
import { MAX_GENERATE_TOKENS, SIZES } from '../www/demo/measure.js';
import {
  openNative,
  openSiskin,
  openTransformers,
  openWllama,
  serveBench,
} from './bench/engines.mjs';
import { spread, tables } from './bench/report.mjs';

/** A round after the first starts only if it can end within this time. */
const TOTAL_LIMIT_MS = 25 * 60_000;
/** A run that takes longer than this has failed. */
const RUN_LIMIT_MS = 10 * 60_000;
/**
 * A long prompt that takes more than this is asked in the first round only, so that a slow peer
 * leaves time for the others.
 */
const LONG_REPEAT_LIMIT_MS = 60_000;
/** A long prompt that takes more than this is not asked. */
const LONG_LIMIT_MS = 6 * 60_000;

const ENGINES = {
  siskin: openSiskin,
  wllama: openWllama,
  native: openNative,
  transformers: openTransformers,
};

const options = readOptions();
const started_ms = performance.now();
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  load_average_before: loadavg()[0],
  date: new Date().toISOString(),
};
if (machine.load_average_before > 0.5)
  say(
    `The load average is ${machine.load_average_before.toFixed(1)}: other programs are ` +
      'running, so these figures are noise.',
  );

const server = await serveBench(options.file, options);
const runs = [];
const notes = new Set(options.skipped);
let prepared;
try {
  let longest_ms = 0;
  for (let round = 1; round <= options.rounds; round++) {
    const round_ms = performance.now();
    if (round_ms - started_ms + longest_ms > TOTAL_LIMIT_MS) {
      notes.add(
        `Rounds ${round} to ${options.rounds} were left out: ${TOTAL_LIMIT_MS / 60_000} ` +
          'minutes would not have sufficed.',
      );
      break;
    }
    for (const threads of options.threads) {
      for (const engine of ['siskin', ...options.peers])
        runs.push(await run(engine, threads, round));
    }
    longest_ms = Math.max(longest_ms, performance.now() - round_ms);
  }
} finally {
  await server.close();
}
report();
if (runs.some((run) => run.engine === 'siskin' && run.error)) process.exitCode = 1;

/** Runs one engine from its start to its end. A failure is a result too. */
async function run(engine, threads, round) {
  const result = { engine, threads, round, steps: [] };
  let opened;
  let timer;
  const limit = new Promise(
    (_, failed) =>
      (timer = setTimeout(
        () => failed(new Error(`took more than ${RUN_LIMIT_MS / 60_000} minutes`)),
        RUN_LIMIT_MS,
      )),
  );
  try {
    await Promise.race([measure(), limit]);
    say(`round ${round}, ${threads} thread(s), ${engine}: ${brief(result)}`);
  } catch (error) {
    result.error = String(error.message).split('\n')[0];
    say(`round ${round}, ${threads} thread(s), ${engine}: FAILED: ${result.error}`);
  } finally {
    clearTimeout(timer);
    await opened?.close().catch(() => {});
  }
  return result;

  async function measure() {
    opened = await ENGINES[engine]({
      server_url: server.url,
      file: options.file,
      threads,
      python: options.python,
    });
    machine.chromium ??= opened.version;
    Object.assign(result, await opened.load());
    prepared ??= await opened.prepareFirst?.();
    if (!prepared) throw new Error('there are no prompts, for Siskin made none');
    const asked = (prompt) => opened.ask(prompt, prepared.logit_bias);
    result.steps.push(await asked(prepared.first));
    prepared.rest ??= await opened.prepareRest?.(options.sizes, result.steps[0]);
    if (!prepared.rest) throw new Error('there are no prompts, for Siskin made none');
    for (const prompt of prepared.rest) {
      if (prompt.name !== 'long' || takesLong(result, prompt, round))
        result.steps.push(await asked(prompt));
    }
    result.memory_bytes = await opened.peakBytes();
    if (opened.wasmBytes) result.wasm_bytes = await opened.wasmBytes();
    compareLengths(result);
  }
}

/** Returns whether to ask the long prompt, from the speed of the steps before it. */
function takesLong(result, prompt, round) {
  const { prefill_tokens_per_second, decode_tokens_per_second } = figuresOf(result);
  const estimate_ms =
    1000 *
    (options.sizes.long_tokens / prefill_tokens_per_second +
      prompt.generate_tokens / decode_tokens_per_second);
  const limit_ms = round === 1 ? LONG_LIMIT_MS : LONG_REPEAT_LIMIT_MS;
  if (estimate_ms > limit_ms)
    notes.add(
      `${result.engine}, ${result.threads} thread(s), round ${round}: the long prompt was ` +
        `left out; it would have taken about ${Math.round(estimate_ms / 1000)} s.`,
    );
  return estimate_ms <= limit_ms;
}

/** Notes every step in which an engine did not read and write the wanted number of tokens. */
function compareLengths({ engine, steps }) {
  for (const { name, prompt_tokens, completion_tokens } of steps) {
    const wanted = [prepared.first, ...prepared.rest].find((prompt) => prompt.name === name);
    wanted.prompt_tokens ??= prompt_tokens;
    if (prompt_tokens !== wanted.prompt_tokens)
      notes.add(
        `${engine} read the ${name} prompt as ${prompt_tokens} tokens, Siskin as ` +
          `${wanted.prompt_tokens}.`,
      );
    if (completion_tokens !== wanted.generate_tokens)
      notes.add(
        `${engine} wrote ${completion_tokens} of ${wanted.generate_tokens} tokens after the ` +
          `${name} prompt.`,
      );
  }
}

function report() {
  const infosOf = (engine) =>
    runs.filter((run) => run.engine === engine && run.info).map(({ info }) => info);
  const [model] = infosOf('siskin');
  const [native] = infosOf('native');
  const [wllama] = infosOf('wllama');
  const [transformers] = infosOf('transformers');
  const builds = new Set(infosOf('siskin').map(({ build }) => build));
  const lines = [
    `${basename(options.file)}${model ? ` (${model.name}, ${model.file_type})` : ''}, ` +
      `${machine.date.slice(0, 10)}`,
    `${machine.cpu}, ${machine.cores} cores, load average ` +
      `${machine.load_average_before.toFixed(2)} before; Chromium ` +
      `${machine.chromium ?? 'did not start'}`,
    model && `Siskin: build ${[...builds].join(', ')}`,
    wllama && `wllama: @wllama/wllama ${wllamaVersion()}, llama.cpp ${wllama.llama_cpp}`,
    transformers && `transformers: @huggingface/transformers ${transformers.version}, dtype q8`,
    native && `native: ${native.version}, ${native.system_info}`,
    `Prompt ${options.sizes.prompt_tokens} tokens, ${options.sizes.generate_tokens} ` +
      `generated; medians of ${new Set(runs.map((run) => run.round)).size} round(s).`,
    'A ratio above 1 is good for Siskin where it compares rates, one below 1 where it ' +
      'compares times or memory.',
  ];
  console.log(lines.filter(Boolean).join('\n'));
  for (const table of tables(runs, options.peers, options.sizes)) console.log(`\n${table}`);
  const spreads = ['siskin', ...options.peers].flatMap((engine) =>
    options.threads.map((threads) => [
      engine,
      threads,
      spread(runs.filter((run) => run.engine === engine && run.threads === threads)),
    ]),
  );
  const known = spreads.filter(([, , share]) => share !== undefined);
  console.log('');
  const shares = known.map(
    ([engine, threads, share]) => `${engine} ${threads}t ${Math.round(share * 100)} %`,
  );
  if (shares.length) console.log(`Spread of decode over the rounds: ${shares.join(', ')}`);
  for (const { engine, threads, round, error } of runs.filter((run) => run.error))
    console.log(`FAILED: ${engine}, ${threads} thread(s), round ${round}: ${error}`);
  for (const note of notes) console.log(note);
  if (options.json) {
    const { json, file, sizes } = options;
    const result = { model: basename(file), machine, sizes, notes: [...notes], runs };
    writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
    say(`wrote ${options.json}`);
  }
}

function brief(result) {
  const { load_s, prefill_tokens_per_second, decode_tokens_per_second } = figuresOf(result);
  return [
    `load ${load_s.toFixed(1)} s`,
    `prefill ${prefill_tokens_per_second?.toFixed(1)} t/s`,
    `decode ${decode_tokens_per_second?.toFixed(1)} t/s`,
  ].join(', ');
}

function wllamaVersion() {
  return JSON.parse(
    readFileSync(
      new URL('../pkg/node_modules/@wllama/wllama/package.json', import.meta.url),
      'utf8',
    ),
  ).version;
}

function readOptions() {
  const string = (value) => ({ type: 'string', default: value });
  const { values } = parseArgs({
    options: {
      file: string(''),
      threads: string('1,2'),
      prompt: string(String(SIZES.prompt_tokens)),
      generate: string(String(SIZES.generate_tokens)),
      peer: string('wllama,native,transformers'),
      onnx: string(''),
      transformers: string(''),
      rounds: string('3'),
      json: string(''),
      python: string('python3'),
    },
  });
  const whole = (name, text, least, most = 1024) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < least || number > most)
      stop(`--${name} takes whole numbers from ${least} to ${most}, not "${text}".`);
    return number;
  };
  const list = (text) => text.split(',').filter(Boolean);
  const peers = list(values.peer);
  const unknown = peers.find((peer) => peer === 'siskin' || !ENGINES[peer]);
  if (unknown) stop(`--peer knows wllama, native and transformers, not "${unknown}".`);
  const skipped =
    peers.includes('transformers') && !(values.onnx && values.transformers)
      ? [
          'SKIPPED: transformers: no ONNX files were given. --onnx takes a folder of them, which ' +
            'scripts/bench/onnx_model.py makes of a GGUF file.',
        ]
      : [];
  if (!values.file) stop('--file is needed.');
  const threads = list(values.threads).map((text) => whole('threads', text, 1));
  if (threads.length === 0) stop('--threads takes one number or more.');
  return {
    file: resolve(values.file),
    threads,
    peers: skipped.length ? peers.filter((peer) => peer !== 'transformers') : peers,
    skipped,
    onnx: values.onnx && resolve(values.onnx),
    transformers: values.transformers && resolve(values.transformers),
    json: values.json,
    python: values.python,
    rounds: whole('rounds', values.rounds, 1),
    sizes: {
      ...SIZES,
      prompt_tokens: whole('prompt', values.prompt, 32),
      generate_tokens: whole('generate', values.generate, 2, MAX_GENERATE_TOKENS),
    },
  };
}

function say(text) {
  console.error(`    ${text}`);
}

function stop(message) {
  console.error(`\nSTOPPED: ${message}`);
  process.exit(2);
}
