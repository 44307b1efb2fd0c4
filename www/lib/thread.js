/**
 * This module is one thread of the engine: a worker on the engine's wasm module and memory that
 * shares the work of each kernel.
 */
import { BUILD } from './build.js';

/** @typedef {{script: string, module: WebAssembly.Module, memory: WebAssembly.Memory}} Start */
/**
 * `ThreadHello` is a thread's first message: the builds that it and its wasm's script belong to,
 * and whether it is ready for work.
 *
 * @typedef {{build: string, wasm_build: string | undefined, ready: boolean}} ThreadHello
 */
/**
 * @typedef {object} ThreadModule
 * @property {string} [BUILD]
 * @property {(options: {module: WebAssembly.Module, memory: WebAssembly.Memory}) => void} initSync
 * @property {(seat: number) => void} run_thread
 * @property {(seat: number) => void} thread_failed
 */

/** @type {ThreadModule | undefined} */
let wasm;

/**
 * The first message holds the module and the memory, the second the number of the thread's seat.
 *
 * @param {MessageEvent<Start | number>} event
 */
onmessage = async ({ data }) => {
  if (typeof data === 'number') {
    sit(data);
    return;
  }
  let ready = false;
  try {
    wasm = /** @type {ThreadModule} */ (
      await import(/* webpackIgnore: true */ /* @vite-ignore */ data.script)
    );
    wasm.initSync({ module: data.module, memory: data.memory });
    ready = true;
  } catch {
    // An error that is thrown here would reach nobody, and the engine waits for a message.
  }
  postMessage(/** @type {ThreadHello} */ ({ build: BUILD, wasm_build: wasm?.BUILD, ready }));
};

/**
 * Shares the engine's work until the engine is freed.
 *
 * @param {number} seat
 */
function sit(seat) {
  try {
    wasm?.run_thread(seat);
  } catch (error) {
    // The engine's worker waits inside wasm for this thread, and reads no message meanwhile: it is
    // told through the memory.
    wasm?.thread_failed(seat);
    throw error;
  } finally {
    postMessage('left');
  }
}
