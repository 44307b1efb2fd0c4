// This script measures the matrix products in wasm, and what sampling takes. It prints two tables
// for each file to stdout, the first as `siskin bench --kernels` does.
//
// node scripts/bench/kernels.mjs NAME=FILE.wasm...

import { openPage, serveKernels } from './engines.mjs';

/** The formats are in the order of DType::ALL. */
const FORMATS = [
  'F32',
  'F16',
  'BF16',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q8_0',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'IQ4_NL',
  'IQ4_XS',
  'IQ3_XXS',
  'IQ3_S',
  'IQ2_XXS',
  'IQ2_XS',
  'IQ2_S',
  'IQ1_S',
  'IQ1_M',
  'TQ1_0',
  'TQ2_0',
  'MXFP4',
  'NVFP4',
  'Q1_0',
];

/**
 * What is sampled by: its name, top_k, top_p, min_p and top_logprobs, -1 for none. The others are
 * to take at most 0.5 ms more than the first.
 */
const SAMPLERS = [
  ['top_k 40', 40, 1, 0, -1],
  ['top_k 40, top_p 0.95, min_p 0.05', 40, 0.95, 0.05, -1],
  ['no filter', 0, 1, 0, -1],
  ['top_p 0.95', 0, 0.95, 0, -1],
  ['top_p 0.999', 0, 0.999, 0, -1],
  ['min_p 0.05', 0, 1, 0.05, -1],
  ['top_k 40, logprobs', 40, 1, 0, 0],
  ['top_k 40, 20 top_logprobs', 40, 1, 0, 20],
  ['top_p 0.999, 20 top_logprobs', 0, 0.999, 0, 20],
];

/** What is sampled from: its name, the spread of most logits, and how many lie above them. */
const LOGITS = [
  ['sure', 8, 5],
  ['flat over 16', 16, 0],
  ['flat over 2', 2, 0],
  ['all equal', 0, 0],
];

for (const argument of process.argv.slice(2)) {
  const [name, file] = argument.split('=');
  const server = await serveKernels(file);
  const page = await openPage(`${server.url}/bench/siskin`);
  try {
    const { read_rate, tokens, rows, sampling } = await page.evaluate(measure, [
      FORMATS.length,
      SAMPLERS,
      LOGITS,
    ]);
    console.log(
      `\nwasm ${name}, Chromium ${page.version}, 1 thread; plain reads: ` +
        `${(read_rate / 1e9).toFixed(1)} GB/s`,
    );
    console.log(
      `| G multiply-adds/s |${tokens.map((tokens) => ` x ${tokens} |`).join('')} weights ` +
        `read x 1 |\n|---|${'--:|'.repeat(tokens.length + 1)}`,
    );
    for (const [index, { rates, bytes_rate }] of rows.entries()) {
      console.log(
        `| ${FORMATS[index]} ` +
          `|${rates.map((rate) => ` ${(rate / 1e9).toFixed(1)} |`).join('')} ` +
          `${(bytes_rate / 1e9).toFixed(1)} GB/s |`,
      );
    }
    console.log(
      `\n| ms to sample from 151,936 logits |${LOGITS.map(([name]) => ` ${name} |`).join('')}\n` +
        `|---|${'--:|'.repeat(LOGITS.length)}`,
    );
    for (const [index, times_ms] of sampling.entries()) {
      const cells = times_ms.map((time_ms) => ` ${time_ms.toFixed(2)} |`);
      console.log(`| ${SAMPLERS[index][0]} |${cells.join('')}`);
    }
  } finally {
    await page.close();
    await server.close();
  }
}

/** Measures every format and sampler. Runs in the page, which does nothing else. */
async function measure([format_count, samplers, logits]) {
  const module = await WebAssembly.compileStreaming(fetch('/bench/kernels.wasm'));
  // These functions never call the engine's JavaScript glue.
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module))
    (imports[from] ??= {})[name] = () => {};
  const wasm = (await WebAssembly.instantiate(module, imports)).exports;
  const bestSeconds = (run, min_ms) => {
    let best_ms = Infinity;
    for (const begin_ms = performance.now(); performance.now() - begin_ms < min_ms;) {
      const start_ms = performance.now();
      run();
      best_ms = Math.min(best_ms, performance.now() - start_ms);
    }
    return best_ms / 1000;
  };
  const read_bytes = wasm.read();
  const read_rate = read_bytes / bestSeconds(wasm.read, 500);
  wasm.forget();
  const tokens = [];
  for (let index = 0; wasm.tokens(index) > 0; index++) tokens.push(wasm.tokens(index));
  const rows = [];
  for (let index = 0; index < format_count; index++) {
    const size_bytes = wasm.prepare(index);
    const seconds = tokens.map((tokens) => bestSeconds(() => wasm.run(tokens), 500));
    rows.push({
      rates: tokens.map((tokens, i) => (tokens * wasm.multiply_adds()) / seconds[i]),
      bytes_rate: size_bytes / seconds[0],
    });
  }
  wasm.prepare(format_count);
  const sampling = samplers.map(([, ...parameters]) =>
    logits.map(([, spread, sure]) => {
      wasm.prepare_sampling(...parameters, spread, sure);
      // Many at a time, for a page's clock is coarse.
      const run = () => {
        for (let i = 0; i < 10; i++) wasm.sample();
      };
      return bestSeconds(run, 300) * 100;
    }),
  );
  return { read_rate, tokens, rows, sampling };
}
