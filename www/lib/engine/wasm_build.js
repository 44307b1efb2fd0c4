/** This module chooses, compiles and starts the wasm. */
import { BUILD, WASM_BUILD, checkBuild } from '../build.js';
import { SiskinError, codeOf, messageOf } from '../errors.js';
import { ofSameVersion } from '../offline/site_version.js';
import { startThreadWorker, wasmBuild } from '../parts.js';

/** @import { Build, BuildName } from '../parts.js' */
/** @import { WasmModule } from '../protocol.js' */
/** @import { ThreadHello } from '../thread.js' */

/**
 * This wasm module has one function, which uses `i8x16.relaxed_swizzle`: it validates where relaxed
 * SIMD exists.
 */
const RELAXED_SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15,
  65, 2, 253, 15, 253, 128, 2, 11,
];
/**
 * This wasm module has one function, which uses `i8x16.popcnt`: it validates where SIMD exists.
 */
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
];

/** More threads than this gain little, because decoding is bound by memory. */
const MAX_THREADS = 8;
/** A thread that has not started by then is done without, because the load waits for it. */
const THREAD_START_MS = 10_000;

/**
 * Returns the default number of threads: half of many logical cores, because two of them often
 * share one real core. Shared memory, and so more than one thread, needs a cross-origin isolated
 * page.
 */
function defaultThreads() {
  const cores = navigator.hardwareConcurrency || 1;
  return Math.min(MAX_THREADS, cores > 4 ? cores >> 1 : cores);
}

/**
 * Returns how many threads of the processor would compute.
 *
 * @param {number} [wanted]
 */
export function usableThreads(wanted = defaultThreads()) {
  return globalThis.crossOriginIsolated ? wanted : 1;
}

/**
 * @typedef {object} StartedEngine
 * @property {WasmModule} module
 * @property {number} thread_count with the caller's own
 * @property {() => Promise<Worker[]>} startThreads starts the others; each waits for its seat
 */

/**
 * Returns the builds that this browser runs, the fastest first. Wasm cannot detect features at run
 * time: a module validates or it does not.
 *
 * @param {number} threads
 * @returns {BuildName[]}
 */
function builds(threads) {
  const relaxed = WebAssembly.validate(new Uint8Array(RELAXED_SIMD));
  const simd = relaxed || WebAssembly.validate(new Uint8Array(SIMD));
  /** @type {BuildName[]} */
  const names = [];
  if (simd && threads > 1) names.push(relaxed ? 'threads' : 'threads-simd');
  if (simd) names.push(relaxed ? 'relaxed' : 'simd');
  return names;
}

/**
 * Compiles and starts the wasm.
 *
 * @param {number} [wanted_threads]
 * @param {{wasm_base_url?: string}} [place] the folder of the wasm files
 * @returns {Promise<StartedEngine>}
 * @throws {SiskinError} `no_simd`, `wasm_failed`, `version_mismatch`
 */
export async function startEngine(wanted_threads, { wasm_base_url } = {}) {
  const threads = usableThreads(wanted_threads);
  const list = builds(threads);
  let cause = /** @type {unknown} */ (undefined);
  for (const name of list) {
    try {
      return await start(wasmBuild(name, wasm_base_url), threads);
    } catch (error) {
      if (codeOf(error) === 'version_mismatch') throw error;
      // Shared memory can be refused where address space is short: the next build does without it.
      cause = error;
    }
  }
  if (list.length === 0)
    throw new SiskinError(
      'no_simd',
      'This browser has no WebAssembly SIMD. Use Chrome 96, Firefox 114, Safari 16.4 or newer.',
    );
  throw new SiskinError(
    'wasm_failed',
    `The engine's WebAssembly did not start: ${messageOf(cause)}. Check that dist/wasm is ` +
      'served beside the scripts, or give wasmBaseUrl, and that the ' +
      "page's CSP has 'wasm-unsafe-eval'.",
    { cause },
  );
}

/**
 * @param {Build} build
 * @param {number} wanted_threads
 */
async function start({ script, wasm }, wanted_threads) {
  // Both files are fetched at once.
  const [module, { response, compiled }] = await Promise.all([
    /** @type {Promise<WasmModule>} */ (
      import(/* webpackIgnore: true */ /* @vite-ignore */ script.href)
    ),
    fetchAndCompile(wasm),
  ]);
  if (WASM_BUILD !== '') {
    checkBuild(script.pathname, module.BUILD, WASM_BUILD);
    checkBuild(wasm.pathname, buildOf(compiled), WASM_BUILD);
  }
  const { memory } = await module.default({ module_or_path: compiled });
  const shared =
    typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  const thread_count = shared ? wanted_threads : 1;
  const startThreads = async () => {
    const shared = { script: ofSameVersion(script, response), module: compiled, memory };
    const started = Array.from({ length: thread_count - 1 }, () => startThread(shared));
    return (await Promise.all(started)).filter((thread) => thread !== undefined);
  };
  return { module, thread_count, startThreads };
}

/** @param {WebAssembly.Module} module */
function buildOf(module) {
  const [section] = WebAssembly.Module.customSections(module, 'siskin build');
  return section && new TextDecoder().decode(section);
}

/** @param {URL} wasm */
async function fetchAndCompile(wasm) {
  const response = await fetch(wasm);
  if (!response.ok) throw new Error(`${wasm.pathname} answered with status ${response.status}`);
  // Streaming compilation needs the MIME type application/wasm, which some static hosts do not
  // send.
  const compiled =
    response.headers.get('Content-Type') === 'application/wasm'
      ? await WebAssembly.compileStreaming(response)
      : await WebAssembly.compile(await response.arrayBuffer());
  return { response, compiled };
}

/**
 * @param {{script: string, module: WebAssembly.Module, memory: WebAssembly.Memory}} shared
 * @returns {Promise<Worker | undefined>} undefined where it does not start: the others do its work
 * @throws {SiskinError} `version_mismatch`
 */
async function startThread(shared) {
  /** @type {Worker} */
  let thread;
  try {
    thread = startThreadWorker();
  } catch {
    return undefined;
  }
  /** @type {ThreadHello | undefined} */
  const hello = await new Promise((resolve) => {
    thread.onmessage = ({ data }) => resolve(data);
    thread.onerror = () => resolve(undefined);
    setTimeout(resolve, THREAD_START_MS);
    thread.postMessage(shared);
  });
  try {
    if (hello) checkBuild('thread.js', hello.build, BUILD);
    if (hello?.wasm_build !== undefined && WASM_BUILD !== '')
      checkBuild(shared.script, hello.wasm_build, WASM_BUILD);
  } catch (error) {
    thread.terminate();
    throw error;
  }
  if (hello?.ready) return thread;
  thread.terminate();
  return undefined;
}
