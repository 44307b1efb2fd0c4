/**
 * This module knows where the library's parts are: the scripts of its workers, and the wasm. They
 * lie beside this file, or where `Siskin.load` is told. Each URL is written out, because bundlers
 * find files by `new URL` with a literal, and workers by `new Worker` around it.
 */

/** @typedef {{script: URL, wasm: URL}} Build a build of the engine: its JavaScript and its wasm */
/** @typedef {'threads' | 'threads-simd' | 'relaxed' | 'simd'} BuildName */

/**
 * `WorkerPlace` says where the worker's script is, or makes the worker; by default it lies beside
 * this file.
 *
 * @typedef {{worker_url?: string, worker?: () => Worker}} WorkerPlace
 */

/**
 * Returns the worker that owns the engine, and where its script is.
 *
 * @param {WorkerPlace} [place]
 * @returns {{worker: Worker, url: string}}
 * @throws {TypeError} if the code was bundled so that it does not know its own address
 */
export function startWorker({ worker_url, worker } = {}) {
  if (worker) return { worker: worker(), url: "Siskin.load's option `worker`" };
  const name = 'siskin';
  if (worker_url !== undefined) {
    const url = new URL(worker_url);
    const started = isForeign(url)
      ? startImporting(url, name)
      : new Worker(url, { type: 'module', name });
    return { worker: started, url: worker_url };
  }
  const url = new URL('./worker.js', import.meta.url);
  const started = isForeign(url)
    ? startImporting(url, name)
    : new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'siskin' });
  return { worker: started, url: url.href };
}

/** Returns the worker that is one thread of the engine. */
export function startThreadWorker() {
  const url = new URL('./thread.js', import.meta.url);
  return isForeign(url)
    ? startImporting(url, 'siskin thread')
    : new Worker(new URL('./thread.js', import.meta.url), {
        type: 'module',
        name: 'siskin thread',
      });
}

/** Returns the worker that reads stored chunks and hashes them. */
export function startReaderWorker() {
  const url = new URL('./reader.js', import.meta.url);
  return isForeign(url)
    ? startImporting(url, 'siskin reader')
    : new Worker(new URL('./reader.js', import.meta.url), {
        type: 'module',
        name: 'siskin reader',
      });
}

/**
 * Returns whether a script is on another origin, from which browsers start no worker.
 *
 * @param {URL} url
 */
function isForeign({ protocol, origin }) {
  return /^https?:$/.test(protocol) && origin !== globalThis.location.origin;
}

/**
 * Returns a worker that imports a script of another origin. Its server must allow that by CORS, and
 * the page's worker-src must allow `blob:`.
 *
 * @param {URL} url
 * @param {string} name
 */
function startImporting(url, name) {
  const script = new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' });
  // The address is never revoked: browsers differ in when they read it.
  return new Worker(URL.createObjectURL(script), { type: 'module', name });
}

/**
 * @param {BuildName} name
 * @param {string} [base] the folder of the wasm files, which ends with a slash; by default `wasm`
 *   beside this file
 * @returns {Build}
 */
export function wasmBuild(name, base) {
  if (base !== undefined)
    return {
      script: new URL(`siskin_${name}.js`, base),
      wasm: new URL(`siskin_${name}_bg.wasm`, base),
    };
  switch (name) {
    case 'threads':
      return {
        script: new URL('./wasm/siskin_threads.js', import.meta.url),
        wasm: new URL('./wasm/siskin_threads_bg.wasm', import.meta.url),
      };
    case 'threads-simd':
      return {
        script: new URL('./wasm/siskin_threads-simd.js', import.meta.url),
        wasm: new URL('./wasm/siskin_threads-simd_bg.wasm', import.meta.url),
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
