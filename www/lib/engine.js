/** Chooses and starts the wasm. */
import { SiskinError, messageOf } from './errors.js';

/** @import { WasmModule } from './protocol.js' */

/** A module whose one function uses `i8x16.relaxed_swizzle`: it validates where relaxed SIMD exists. */
const RELAXED_SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];
/** The same with `i8x16.popcnt`. */
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

/**
 * The fastest build that this browser runs. Wasm has no run-time detection of its own: a module either validates or not.
 *
 * @returns {{script: URL, wasm: URL}}
 * @throws {SiskinError} `no_simd`
 */
function chooseBuild() {
  // Spelled out, because bundlers find files by `new URL` with a literal.
  if (WebAssembly.validate(new Uint8Array(RELAXED_SIMD))) {
    return { script: new URL('./wasm/siskin_relaxed.js', import.meta.url), wasm: new URL('./wasm/siskin_relaxed_bg.wasm', import.meta.url) };
  }
  if (WebAssembly.validate(new Uint8Array(SIMD))) {
    return { script: new URL('./wasm/siskin_simd.js', import.meta.url), wasm: new URL('./wasm/siskin_simd_bg.wasm', import.meta.url) };
  }
  throw new SiskinError('no_simd', 'This browser has no WebAssembly SIMD. Use Chrome 91, Firefox 89, Safari 16.4 or newer.');
}

/**
 * @returns {Promise<WasmModule>}
 * @throws {SiskinError} `no_simd`, `wasm_failed`
 */
export async function loadWasm() {
  const { script, wasm } = chooseBuild();
  try {
    /** @type {WasmModule} */
    const module = await import(/* webpackIgnore: true */ /* @vite-ignore */ script.href);
    await module.default({ module_or_path: wasm });
    return module;
  } catch (cause) {
    throw new SiskinError(
      'wasm_failed',
      `The engine's WebAssembly did not start: ${messageOf(cause)}. Check that dist/wasm is served beside the scripts and that the page's CSP has 'wasm-unsafe-eval'.`,
      { cause },
    );
  }
}
