/** This module holds the types of the wasm, as the worker sees it. */

/**
 * @import { CacheType, ChatRequest, EngineEvent, ModelInfo, PrefixRequest } from '../protocol.js'
 * @import { RawRequest, Score } from '../protocol.js'
 */

/**
 * `Engine` is the wasm's class. Only the worker drives it, and only between two `next()`.
 *
 * @typedef {object} Engine
 * @property {(file: Uint8Array, scale: number) => void} add_adapter takes the whole file of a LoRA
 *   adapter, before the model's first bytes
 * @property {(bytes: Uint8Array) => void} push
 * @property {() => boolean} has_header whether enough of the file is there for `test_gpu`
 * @property {(threads: number) => Promise<void>} test_gpu tries the kernels that the model needs;
 *   with `threads` above 0 it also refuses a card slower than that many threads of the processor
 * @property {() => Promise<void>} settle waits until a card has taken all that was pushed
 * @property {() => Promise<ModelInfo>} finish
 * @property {(replacement: Engine) => void} reload replaces a model that was lost; the file
 *   is pushed and finished again
 * @property {(request: ChatRequest | RawRequest) => void} start
 * @property {() => Promise<EngineEvent | undefined>} next at most about 100 ms of prefill, or one
 *   token
 * @property {() => void} stop ends the answer with the next event, and a score or a prefix that is
 *   computed with an error
 * @property {(text: string, options?: {special?: boolean}) => Uint32Array} tokenize
 * @property {(ids: Uint32Array) => string} detokenize
 * @property {(ids: Uint32Array, from?: number) => Promise<Score>} score
 * @property {(request: ChatRequest) => Uint32Array} prompt_tokens
 * @property {(text: string) => Uint32Array} embedding_tokens
 * @property {(ids: Uint32Array) => Promise<Float32Array>} embed
 * @property {() => LoadPlan | undefined} plan what the header says, once it was
 *   pushed
 * @property {(request: PrefixRequest) => Promise<Uint32Array>} keep_prefix
 * @property {(tokens: Uint32Array) => Uint16Array | undefined} kept_prefix keys and values, as f16
 * @property {(
 *   request: PrefixRequest,
 *   tokens: Uint32Array,
 *   kv: Uint16Array,
 * ) => boolean} restore_prefix false where the request has other tokens
 * @property {(max_bytes: number) => Promise<[Uint32Array, Uint16Array] | undefined>} opening
 *   resolves to tokens, keys and values of what the chat template writes by itself, if the last
 *   answer's prompt began so
 * @property {(tokens: Uint32Array, kv: Uint16Array) => boolean} restore_opening
 * @property {() => number} memory_bytes
 * @property {() => number | undefined} take_seat
 * @property {() => void} free
 */

/**
 * A `LoadPlan` says what a model file is, and what memory it will take.
 *
 * @typedef {object} LoadPlan
 * @property {string} name `general.name` of the file
 * @property {string} architecture such as `qwen2`
 * @property {string} file_type the type that holds most of the weights, such as `Q5_0`
 * @property {number} parameter_count
 * @property {number} trained_context_tokens the context that the model was trained for
 * @property {number} size_bytes of the file
 * @property {number} context_tokens the context that it would have
 * @property {number} slots
 * @property {number} weights_bytes the memory of the weights
 * @property {number} cache_bytes the memory of the KV caches
 * @property {number} step_bytes the memory of what a step computes
 * @property {number} adapters_bytes the memory of adapters
 */

/** @typedef {'weights_bytes' | 'cache_bytes' | 'step_bytes' | 'adapters_bytes'} MemoryField */

/**
 * `WasmModule` is what wasm-bindgen's JavaScript exports.
 *
 * @typedef {object} WasmModule
 * @property {(options: {
 *   module_or_path: WebAssembly.Module,
 * }) => Promise<{memory: WebAssembly.Memory}>} default
 * @property {EngineClass} Engine
 * @property {string} [BUILD] of which build it is; absent before the package is made
 */

/**
 * @typedef {{
 *   new (options: {
 *     context_tokens?: number,
 *     slots?: number,
 *     chat_template?: string,
 *     threads?: number,
 *   }): Engine,
 *   on_gpu(options: {
 *     context_tokens?: number,
 *     slots?: number,
 *     chat_template?: string,
 *     cache_type?: CacheType,
 *     features?: string[],
 *   }): Promise<Engine>,
 * }} EngineClass
 */

export {};
