// This module gives Siskin and its peers one interface. Each browser engine gets a browser of its
// own, so that no run finds warm caches.
//
// @typedef {object} BenchEngine
// @property {string} name
// @property {() => Promise<{load_ms: number, info: object}>} load
// @property {(prompt, logit_bias) => Promise<Step>} ask
// @property {() => Promise<number>} peakBytes
// @property {() => Promise<void>} close

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launchChromium, peakBytes, tabPeakBytes } from '../chromium.mjs';
import { WEBGPU_PREFS, launchFirefox } from '../firefox.mjs';
import { startServer } from '../serve.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The prompt and the answer of the longest step fit into this context. */
export const CONTEXT_TOKENS = 2048;

/** wllama starts its workers from blobs, which Siskin's policy forbids. */
export const WLLAMA_POLICY =
  "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval' 'unsafe-eval'; worker-src " +
  "blob:; connect-src 'self' blob:";

/** transformers.js compiles its wasm from a blob, and starts threads from one. */
const TRANSFORMERS_POLICY =
  "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; worker-src 'self' blob:; " +
  "connect-src 'self' blob:";

const blank = (headers) => (_request, response) =>
  response
    .writeHead(200, { 'Content-Type': 'text/html', ...headers })
    .end('<!doctype html><title>Bench</title>');

/**
 * Serves the model, the built package and its peers, and nothing from other hosts. `transformers`
 * is a folder of npm packages, `onnx` one of a model as transformers.js loads it.
 *
 * @param {string} file
 * @param {{transformers?: string, onnx?: string}} [folders]
 */
export function serveBench(file, { transformers, onnx } = {}) {
  return startServer({
    routes: {
      ...(onnx && {
        '/bench/transformers': blank({ 'Content-Security-Policy': TRANSFORMERS_POLICY }),
        '/transformers/': join(transformers, '@huggingface/transformers/dist'),
        '/onnxruntime/': join(transformers, 'onnxruntime-web/dist'),
        '/onnx/model/': onnx,
      }),
      '/bench/siskin': blank({}),
      '/bench/wllama': blank({ 'Content-Security-Policy': WLLAMA_POLICY }),
      '/bench/model.gguf': file,
      '/lib/': join(ROOT, 'pkg/dist'),
      '/wllama/': join(ROOT, 'pkg/node_modules/@wllama/wllama/esm'),
    },
  });
}

/** Serves a wasm file of kernels. */
export function serveKernels(file) {
  return startServer({ routes: { '/bench/siskin': blank({}), '/bench/kernels.wasm': file } });
}

/** Opens a page in a Chromium of its own, in which the functions of a browser engine run. */
export async function openPage(url, more = []) {
  const browser = await launchChromium(more);
  const page = await browser.newPage();
  const crashed = new Promise((_, failed) =>
    page.on('crash', () => failed(new Error('the tab crashed'))),
  );
  crashed.catch(() => {});
  await page.goto(url);
  return {
    version: browser.version(),
    evaluate: (run, argument) => Promise.race([page.evaluate(run, argument), crashed]),
    peakBytes: () => tabPeakBytes(browser),
    close: () => browser.close(),
  };
}

/** Opens a page in a Firefox that has WebGPU, as [openPage] does in Chromium. */
export async function openFirefoxPage(url) {
  const browser = await launchFirefox(WEBGPU_PREFS);
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(url);
  return {
    version: await browser.version(),
    evaluate: (run, argument) => page.evaluate(run, argument),
    peakBytes: async () => 0,
    close: () => browser.close(),
  };
}

/**
 * Opens Siskin through its public API. `prepareFirst` and `prepareRest` make the prompts for all
 * engines.
 */
export async function openSiskin({ server_url, threads }) {
  const page = await openPage(`${server_url}/bench/siskin`);
  const load = async ({ context_tokens, threads }) => {
    const { Siskin } = await import('/lib/siskin.js');
    const start_ms = performance.now();
    window.siskin = await Siskin.load('/bench/model.gguf', {
      contextTokens: context_tokens,
      threads,
      backend: 'cpu',
    });
    return { load_ms: performance.now() - start_ms, info: window.siskin.info };
  };
  const correct = async (request) => {
    const { choices, usage, timings } = await window.siskin.chat.completions.create({
      ...request,
      temperature: 0,
      max_tokens: 300,
    });
    const { completion_tokens } = usage;
    return { text: choices[0].message.content, completion_tokens, ...timings };
  };
  return {
    version: page.version,
    async load() {
      const loaded = await page.evaluate(load, { context_tokens: CONTEXT_TOKENS, threads });
      if (loaded.info.threads !== threads)
        throw new Error(
          `Siskin runs on ${loaded.info.threads} thread(s) where ${threads} were asked for`,
        );
      return {
        ...loaded,
        info: {
          build: loaded.info.build,
          threads: loaded.info.threads,
          file_type: loaded.info.file_type,
          name: loaded.info.name,
        },
      };
    },
    prepareFirst: () =>
      page.evaluate(async () => (await import('/measure.js')).prepareFirst(window.siskin)),
    prepareRest: (sizes, first) =>
      page.evaluate(
        async ({ sizes, first }) =>
          (await import('/measure.js')).prepareRest(window.siskin, sizes, first),
        { sizes, first },
      ),
    ask: (prompt, logit_bias) =>
      page.evaluate(
        async ({ prompt, logit_bias }) =>
          (await import('/measure.js')).ask(window.siskin, prompt, logit_bias),
        { prompt, logit_bias },
      ),
    correct: (messages, draft_max) => page.evaluate(correct, { messages, draft_max }),
    wasmBytes: () => page.evaluate(() => window.siskin.memoryBytes()),
    peakBytes: page.peakBytes,
    close: page.close,
  };
}

/**
 * Opens wllama as its readme describes it, with one sequence and the prompt cache off: on the CPU
 * in Chromium, or with every layer on the graphics card in Firefox.
 */
export async function openWllama({ server_url, threads, gpu = false }) {
  const page = await (gpu ? openFirefoxPage : openPage)(`${server_url}/bench/wllama`);
  const load = async ({ context_tokens, threads, gpu }) => {
    const { Wllama } = await import('/wllama/index.js');
    const start_ms = performance.now();
    const blob = await (await fetch('/bench/model.gguf')).blob();
    const wllama = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { suppressNativeLog: true });
    // wllama's compatibility build would be fetched from a CDN.
    wllama.setCompat(null);
    await wllama.loadModel([blob], {
      n_ctx: context_tokens,
      n_threads: threads,
      n_gpu_layers: gpu ? 999 : 0,
      n_parallel: 1,
    });
    window.wllama = wllama;
    return {
      load_ms: performance.now() - start_ms,
      info: { threads: wllama.getNumThreads(), llama_cpp: Wllama.getLibllamaVersion() },
    };
  };
  const ask = async (request) => {
    const start_ms = performance.now();
    const chunks = [];
    await window.wllama.createChatCompletion({
      ...request,
      onData: (chunk) => chunks.push({ ms: performance.now() - start_ms, chunk }),
    });
    return chunks;
  };
  return {
    async load() {
      const loaded = await page.evaluate(load, { context_tokens: CONTEXT_TOKENS, threads, gpu });
      if (loaded.info.threads !== threads)
        throw new Error(
          `wllama runs on ${loaded.info.threads} thread(s) where ${threads} were asked for`,
        );
      return loaded;
    },
    ask: async (prompt) => stepOf(prompt, await page.evaluate(ask, llamaRequest(prompt))),
    peakBytes: page.peakBytes,
    close: page.close,
  };
}

/**
 * Opens transformers.js with weights of 8 bits on the CPU, which is its way there. Its clock is the
 * page's: a streamer is told of each token.
 */
export async function openTransformers({ server_url, threads }) {
  const page = await openPage(`${server_url}/bench/transformers`);
  const load = async ({ threads }) => {
    const { AutoModelForCausalLM, AutoTokenizer, env } =
      await import('/transformers/transformers.js');
    Object.assign(env, { allowRemoteModels: false, localModelPath: '/onnx/' });
    env.allowLocalModels = true;
    env.useBrowserCache = env.useWasmCache = false;
    Object.assign(env.backends.onnx.wasm, {
      wasmPaths: '/onnxruntime/',
      numThreads: threads,
      proxy: false,
    });
    const start_ms = performance.now();
    const tokenizer = await AutoTokenizer.from_pretrained('model');
    const model = await AutoModelForCausalLM.from_pretrained('model', {
      dtype: 'q8',
      device: 'wasm',
    });
    window.transformers = { tokenizer, model };
    return {
      load_ms: performance.now() - start_ms,
      info: { threads: env.backends.onnx.wasm.numThreads, version: env.version },
    };
  };
  const ask = async ({ name, messages, generate_tokens }) => {
    const { tokenizer, model } = window.transformers;
    const times_ms = [];
    const start_ms = performance.now();
    const inputs = tokenizer.apply_chat_template(messages, {
      add_generation_prompt: true,
      return_dict: true,
    });
    const ids = await model.generate({
      ...inputs,
      do_sample: false,
      min_new_tokens: generate_tokens,
      max_new_tokens: generate_tokens,
      // The prompt is put first, before anything is computed.
      streamer: { put: () => times_ms.push(performance.now() - start_ms), end: () => {} },
    });
    const prompt_tokens = inputs.input_ids.dims.at(-1);
    const answer = ids.tolist()[0].slice(prompt_tokens);
    return {
      name,
      prompt_tokens,
      cached_tokens: 0,
      completion_tokens: answer.length,
      first_ms: times_ms[1],
      prefill_ms: times_ms[1],
      decode_ms: times_ms.at(-1) - times_ms[1],
      text: tokenizer.decode(answer),
    };
  };
  return {
    load: () => page.evaluate(load, { threads }),
    ask: (prompt) => page.evaluate(ask, prompt),
    peakBytes: page.peakBytes,
    close: page.close,
  };
}

/** Starts llama.cpp's server from the wheel xllamacpp, in a process of its own. */
export async function openNative({ file, threads, python }) {
  const child = spawn(
    python,
    [join(ROOT, 'scripts/bench/native.py'), file, String(threads), String(CONTEXT_TOKENS)],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let complaint = '';
  child.stderr.on('data', (data) => (complaint = (complaint + data).slice(-300)));
  const ended = once(child, 'exit').then(() =>
    Promise.reject(new Error(`llama.cpp ended: ${complaint.trim() || 'it says nothing'}`)),
  );
  ended.catch(() => {});
  const first_line = once(createInterface({ input: child.stdout }), 'line');
  let address;
  return {
    async load() {
      const [line] = await Promise.race([first_line, ended]);
      const { load_ms, ...info } = JSON.parse(line);
      address = info.address;
      delete info.address;
      return { load_ms, info: { threads, ...info } };
    },
    async ask(prompt) {
      const start_ms = performance.now();
      const response = await fetch(`${address}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify(llamaRequest(prompt)),
      });
      if (!response.ok)
        throw new Error(
          `llama.cpp answered ${response.status}: ${(await response.text()).slice(0, 200)}`,
        );
      const chunks = [];
      let rest = '';
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        for (const line of lines) {
          if (line.startsWith('data: {'))
            chunks.push({ ms: performance.now() - start_ms, chunk: JSON.parse(line.slice(6)) });
        }
      }
      return stepOf(prompt, chunks);
    },
    peakBytes: async () => peakBytes(child.pid),
    async close() {
      child.kill('SIGKILL');
      await ended.catch(() => {});
    },
  };
}

/**
 * Returns a prompt for llama.cpp's server: greedy, of full length, without reuse of the prompt
 * cache.
 */
function llamaRequest({ messages, generate_tokens }) {
  const greedy = { temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: false };
  return {
    messages,
    max_tokens: generate_tokens,
    stream: true,
    stream_options: { include_usage: true },
    ...greedy,
  };
}

/**
 * Returns llama.cpp's own measurements. Like Siskin's, its decode time starts with the first token.
 */
function stepOf({ name }, chunks) {
  const { timings } = chunks.findLast(({ chunk }) => chunk.timings)?.chunk ?? {};
  if (!timings) throw new Error('llama.cpp sent no timings');
  const texts = chunks.filter(({ chunk }) => chunk.choices?.[0]?.delta?.content);
  return {
    name,
    prompt_tokens: timings.prompt_n + timings.cache_n,
    cached_tokens: timings.cache_n,
    completion_tokens: timings.predicted_n,
    first_ms: texts[0]?.ms ?? timings.prompt_ms,
    prefill_ms: timings.prompt_ms,
    decode_ms: timings.predicted_ms,
    text: texts.map(({ chunk }) => chunk.choices[0].delta.content).join(''),
  };
}
