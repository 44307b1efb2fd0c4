/**
 * This module knows where the library's parts are: the scripts of its workers, and the wasm. They
 * lie beside this file. Each URL is written out, because bundlers find files by `new URL` with a
 * literal.
 */

/** @typedef {{script: URL, wasm: URL}} Build a build of the engine: its JavaScript and its wasm */

/** Returns the worker that owns the engine. */
export function startWorker() {
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'siskin' });
}

/** Returns the worker that is one thread of the engine. */
export function startThreadWorker() {
  return new Worker(new URL('./thread.js', import.meta.url), {
    type: 'module',
    name: 'siskin thread',
  });
}

/**
 * @param {'threads' | 'relaxed' | 'simd'} name
 * @returns {Build}
 */
export function wasmBuild(name) {
  switch (name) {
    case 'threads':
      return {
        script: new URL('./wasm/siskin_threads.js', import.meta.url),
        wasm: new URL('./wasm/siskin_threads_bg.wasm', import.meta.url),
      };
    case 'relaxed':
      return {
        script: new URL('./wasm/siskin_relaxed.js', import.meta.url),
        wasm: new URL('./wasm/siskin_relaxed_bg.wasm', import.meta.url),
      };
    case 'simd':
      return {
        script: new URL('./wasm/siskin_simd.js', import.meta.url),
        wasm: new URL('./wasm/siskin_simd_bg.wasm', import.meta.url),
      };
  }
}
