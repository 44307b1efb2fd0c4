// This script measures Siskin on the graphics card in Chromium and Firefox, and wllama in Firefox,
// where software adapters stand in for a card, and wllama on the processor, against which the
// machine's speed is scaled.
// Answers must be longer than the 16 tokens that may be in flight at once.
//
// node scripts/bench/gpu.mjs --file MODEL.gguf [--rounds 2] [--prompt 64] [--generate 48]
import { loadavg } from 'node:os';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { markdownTable } from '../../www/demo/figures.js';
import { SOFTWARE_GPU } from '../chromium.mjs';
import { openFirefoxPage, openPage, openWllama, serveBench } from './engines.mjs';
import { median } from './report.mjs';

/**
 * These are tokens/s of web-llm 0.2.79 with the 0.5B in 4 bits, on the same software adapters of
 * one machine, and of wllama on that machine.
 */
const WEB_LLM = {
  wllama: { prefill: 4.5, decode: 3.3 },
  'Siskin, Chromium': { prefill: 0.78, decode: 0.074 },
  'Siskin, Firefox': { prefill: 2.35, decode: 0.56 },
};

const string = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: { file: string(''), rounds: string('2'), prompt: string('64'), generate: string('48') },
});
const [rounds, prompt_tokens, generate_tokens] = [
  values.rounds,
  values.prompt,
  values.generate,
].map(Number);
const file = resolve(values.file);
// Each prompt has other words, so that nothing is reused. A word is about one token.
const words = (
  'time year people way day man thing woman life child world school state family student ' +
  'group country problem hand part place case week company'
).split(' ');
let asked = 0;
const prompt = () => {
  const start = (asked += 1);
  return {
    messages: [
      {
        role: 'user',
        content: Array.from(
          { length: Math.max(1, prompt_tokens - 5) },
          (_, i) => words[(start * 7 + i * (start + 3)) % words.length],
        ).join(' '),
      },
    ],
    generate_tokens,
  };
};

/** These functions run in the page. */
const inPage = {
  load: async () => {
    const { Siskin } = await import('/lib/siskin.js');
    window.siskin = await Siskin.load('/bench/model.gguf', {
      contextTokens: 2048,
      backend: 'gpu',
      storage: 'memory',
    });
    return window.siskin.info.adapter;
  },
  ask: async ({ messages, generate_tokens }) => {
    // The bias keeps the answer from ending before its length.
    const ends = await Promise.all(
      ['<|im_end|>', '<|endoftext|>'].map((name) =>
        window.siskin.tokenize(name, { special: true }),
      ),
    );
    const logit_bias = Object.fromEntries(
      ends.filter((ids) => ids.length === 1).map(([id]) => [id, -100]),
    );
    const { timings } = await window.siskin.chat.completions.create({
      messages,
      max_tokens: generate_tokens,
      temperature: 0,
      logit_bias,
    });
    return { prefill: timings.prefill_tokens_per_second, decode: timings.decode_tokens_per_second };
  },
};

const wllama = (gpu) => async (server) => {
  const opened = await openWllama({ server_url: server.url, threads: 1, gpu });
  await opened.load();
  const ask = async (prompt) => {
    const step = await opened.ask({ name: 'gpu', ...prompt });
    return {
      prefill: (1000 * (step.prompt_tokens - step.cached_tokens)) / step.prefill_ms,
      decode: (1000 * (step.completion_tokens - 1)) / step.decode_ms,
    };
  };
  return { adapter: gpu ? "the browser's" : 'CPU, 1 thread', ask, close: opened.close };
};

const ENGINES = {
  wllama: wllama(false),
  'wllama, Firefox': wllama(true),
  'Siskin, Chromium': async (server) => {
    const page = await openPage(`${server.url}/bench/siskin`, SOFTWARE_GPU);
    return {
      adapter: await page.evaluate(inPage.load),
      ask: (prompt) => page.evaluate(inPage.ask, prompt),
      close: page.close,
    };
  },
  'Siskin, Firefox': async (server) => {
    const page = await openFirefoxPage(`${server.url}/bench/siskin`);
    return {
      adapter: await page.evaluate(inPage.load),
      ask: (prompt) => page.evaluate(inPage.ask, prompt),
      close: page.close,
    };
  },
};

const load_average = loadavg()[0];
const server = await serveBench(file);
const runs = [];
try {
  for (let round = 1; round <= rounds; round++) {
    for (const [engine, open] of Object.entries(ENGINES)) {
      const { adapter, ask, close } = await open(server);
      try {
        // The first answer also compiles what is compiled at first use.
        await ask(prompt());
        runs.push({ engine, adapter, ...(await ask(prompt())) });
        const { prefill, decode } = runs.at(-1);
        console.error(
          `    round ${round}, ${engine} (${adapter}): prefill ${prefill.toFixed(2)} t/s, ` +
            `decode ${decode.toFixed(2)} t/s`,
        );
      } finally {
        await close();
      }
    }
  }
} finally {
  await server.close();
}

const figure = (engine, key) =>
  median(runs.filter((run) => run.engine === engine).map((run) => run[key]));
/** Returns what web-llm would reach on this machine if it scaled as wllama does. */
const webLlm = (engine, key) =>
  (WEB_LLM[engine][key] * figure('wllama', key)) / WEB_LLM.wllama[key];
const row = (engine) => {
  const times = (key) =>
    engine.startsWith('wllama') ? '' : (figure(engine, key) / webLlm(engine, key)).toFixed(1);
  return [
    engine,
    runs.find((run) => run.engine === engine).adapter,
    figure(engine, 'prefill').toFixed(2),
    figure(engine, 'decode').toFixed(2),
    times('prefill'),
    times('decode'),
  ];
};
console.log(
  `${basename(file)}, load average ${load_average.toFixed(2)} before; prompt about ` +
    `${prompt_tokens} tokens, ${generate_tokens} generated, medians of ${rounds} round(s)`,
);
console.log(
  markdownTable([
    ['engine', 'adapter', 'prefill, t/s', 'decode, t/s', 'prefill / web-llm*', 'decode / web-llm*'],
    ...Object.keys(ENGINES).map(row),
  ]),
);
console.log(
  "* web-llm's figures of another day with the 0.5B, scaled by what wllama makes here and " +
    'made there.',
);
