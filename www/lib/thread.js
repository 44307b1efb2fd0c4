/**
 * This module is one thread of the engine: a worker on the engine's wasm module and memory that
 * shares the work of each kernel.
 */

/** @typedef {{script: string, module: WebAssembly.Module, memory: WebAssembly.Memory}} Start */
/**
 * @typedef {object} ThreadModule
 * @property {(options: {module: WebAssembly.Module, memory: WebAssembly.Memory}) => void} initSync
 * @property {(slot: number) => void} run_thread
 */

/** @type {ThreadModule | undefined} */
let wasm;

/**
 * The first message holds the module and the memory, the second the number of the thread's slot.
 *
 * @param {MessageEvent<Start | number>} event
 */
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
    // An error that is thrown here would reach nobody, and the engine waits for a message.
    postMessage('failed');
  }
};
