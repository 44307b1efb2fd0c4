// This script measures the matrix products in wasm. It prints a table for each file to stdout, as
// `siskin bench --kernels` does.
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
];

for (const argument of process.argv.slice(2)) {
  const [name, file] = argument.split('=');
  const server = await serveKernels(file);
  const page = await openPage(`${server.url}/bench/siskin`);
  try {
    const { read_rate, tokens, rows } = await page.evaluate(measure, FORMATS.length);
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
  } finally {
    await page.close();
    await server.close();
  }
}

/** Measures every format. Runs in the page, which does nothing else. */
async function measure(format_count) {
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
  return { read_rate, tokens, rows };
}
