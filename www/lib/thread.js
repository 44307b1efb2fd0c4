/**
 * A thread of the engine: a worker on its module and memory that shares the work of each kernel.
 */

/** @typedef {{script: string, module: WebAssembly.Module, memory: WebAssembly.Memory}} Start */
/**
 * @typedef {{initSync: (options: {module: WebAssembly.Module, memory: WebAssembly.Memory}) => void, run_thread: (seat: number) => void}} ThreadModule
 */

/** @type {ThreadModule | undefined} */
let wasm;

/** First what to start on, then the seat. @param {MessageEvent<Start | number>} event */
onmessage = async ({ data }) => {
  if (typeof data === 'number') {
    wasm?.run_thread(data);
    postMessage('left');
    return;
  }
  try {
    wasm = /** @type {ThreadModule} */ (
      await import(/* webpackIgnore: true */ /* @vite-ignore */ data.script)
    );
    wasm.initSync({ module: data.module, memory: data.memory });
    postMessage('ready');
  } catch {
    // Thrown here, it would reach nobody: the engine waits for a word.
    postMessage('failed');
  }
};
