// This script asks the built package one question in headless Chromium. It streams the answer to
// stdout, and writes one line of figures to stderr.
//
// node scripts/ask.mjs --file MODEL.gguf --prompt TEXT [--max-tokens N] [--backend auto|gpu|cpu]
//   [--threads N] [--context N]
//
// $SISKIN_CHROMIUM is the browser's program.

import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WEBGPU, launchChromium, tabPeakBytes } from './chromium.mjs';
import { startServer } from './serve.mjs';

const { file, prompt, max_tokens, load_options } = readOptions();

const url = `/models/${encodeURIComponent(basename(file))}`;
const server = await startServer({
  routes: {
    '/': (_request, response) =>
      response
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end('<!doctype html><title>Siskin</title>'),
    '/lib/': fileURLToPath(new URL('../pkg/dist', import.meta.url)),
    [decodeURIComponent(url)]: resolve(file),
  },
});
const browser = await launchChromium(load_options.backend === 'cpu' ? [] : WEBGPU);
try {
  const page = await browser.newPage();
  page.on('crash', () =>
    stop(
      'The tab crashed, most likely for want of memory. Close other programs or take a ' +
        'smaller model.',
    ),
  );
  await page.exposeFunction('report', (kind, value) =>
    kind === 'text' ? process.stdout.write(value) : showLoading(value),
  );
  await page.goto(server.url);
  const answer = await page.evaluate(ask, { url, prompt, max_tokens, load_options });
  process.stdout.write('\n');
  if (answer.error) stop(answer.error);
  console.error(figures({ ...answer, tab_bytes: await tabPeakBytes(browser) }));
} finally {
  await browser.close();
  await server.close();
}

/** Loads the model and answers. Runs in the page. */
async function ask({ url, prompt, max_tokens, load_options }) {
  try {
    const { Siskin } = await import('/lib/siskin.js');
    const start = performance.now();
    const siskin = await Siskin.load(url, {
      ...load_options,
      onProgress: (progress) => window.report('loading', progress),
    });
    const load_ms = performance.now() - start;
    const request = {
      messages: [{ role: 'user', content: prompt }],
      stream: true,
      temperature: 0,
      max_tokens,
    };
    let last;
    for await (const chunk of await siskin.chat.completions.create(request)) {
      if (chunk.choices[0].delta.content)
        await window.report('text', chunk.choices[0].delta.content);
      last = chunk;
    }
    return {
      load_ms,
      info: siskin.info,
      usage: last.usage,
      timings: last.timings,
      wasm_bytes: await siskin.memoryBytes(),
    };
  } catch (error) {
    return { error: `${error.message} (${error.code ?? error.name})` };
  }
}

function showLoading({ loaded_bytes, total_bytes }) {
  if (!process.stderr.isTTY || !total_bytes) return;
  process.stderr.write(
    `\r    loading: ${Math.floor((loaded_bytes * 100) / total_bytes)} ` +
      `%${loaded_bytes === total_bytes ? '\n' : ''}`,
  );
}

function figures({ load_ms, info, usage, timings, wasm_bytes, tab_bytes }) {
  return [
    `load ${(load_ms / 1000).toFixed(1)} s`,
    `prefill ${timings.prefill_tokens_per_second.toFixed(1)} t/s (${usage.prompt_tokens} tokens)`,
    `decode ${timings.decode_tokens_per_second.toFixed(1)} t/s (${usage.completion_tokens} tokens)`,
    `backend ${info.backend}${info.backend === 'gpu' ? ` (${info.adapter})` : ''}`,
    `build ${info.build}`,
    `threads ${info.threads}`,
    `peak memory ${megabytes(wasm_bytes)} wasm${tab_bytes ? `, ${megabytes(tab_bytes)} tab` : ''}`,
  ].join(' | ');
}

function megabytes(bytes) {
  return `${Math.round(bytes / 1e6)} MB`;
}

function readOptions() {
  const text = { type: 'string' };
  const { values } = parseArgs({
    options: {
      file: text,
      prompt: text,
      'max-tokens': text,
      backend: text,
      threads: text,
      context: text,
    },
  });
  if (!values.file || !values.prompt) stop('--file and --prompt are needed.');
  const { backend = 'auto' } = values;
  if (!['auto', 'gpu', 'cpu'].includes(backend))
    stop(`--backend takes auto, gpu or cpu, not "${backend}".`);
  const whole = (name) => {
    if (values[name] === undefined) return undefined;
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1)
      stop(`--${name} takes a whole number above 0, not "${values[name]}".`);
    return number;
  };
  const { file, prompt } = values;
  const load_options = { backend, threads: whole('threads'), contextTokens: whole('context') };
  return { file, prompt, max_tokens: whole('max-tokens') ?? 256, load_options };
}

function stop(message) {
  console.error(`\nSTOPPED: ${message}`);
  process.exit(1);
}
