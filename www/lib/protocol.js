/**
 * This module defines the messages between page and worker, and the worker's view of the wasm. It
 * holds types only.
 */

/**
 * `Siskin.info` holds an object of this type.
 *
 * @typedef {object} ModelInfo
 * @property {string} name `general.name` of the file
 * @property {string} architecture such as `qwen2`
 * @property {string} file_type the type that holds most of the weights, such as `Q5_0`
 * @property {number} parameter_count
 * @property {number} block_count
 * @property {number} vocab_size
 * @property {number} trained_context_tokens the context that the model was trained for
 * @property {number} context_tokens the context in use
 * @property {number} slots how many conversations keep what was read of them
 * @property {number} kv_cache_bytes the memory of the KV caches of all slots
 * @property {number} size_bytes
 * @property {boolean} has_chat_template whether the file has one, or `load` was given one
 * @property {'cpu' | 'gpu'} backend where it computes
 * @property {string} [adapter] the graphics card's name
 * @property {string[]} [gpu_features] what shaders use on the card, by WebGPU's names; a feature
 *   whose kernels were wrong is not among them
 * @property {string} [gpu_refusal] why the graphics card does not compute, where it might have
 * @property {string} [gpu_refusal_code] `gpu_unavailable`, `gpu_refused` (wrong), `gpu_slower`,
 *   `gpu_unsupported`, `gpu_out_of_memory` or `gpu_lost`
 * @property {string} build which wasm file runs: `relaxed`, `simd`, `threads` or `threads-simd`
 * @property {number} threads
 */

/**
 * These fields of `Siskin.info` tell which backend was picked.
 *
 * @typedef {'backend' | 'adapter' | 'gpu_refusal' | 'gpu_refusal_code'} BackendField
 * @typedef {Pick<ModelInfo, BackendField>} BackendInfo
 */

/**
 * A `KnownGpu` is what earlier visits found of a graphics card with the same model: the features
 * that worked, why the card was refused, or both.
 *
 * @typedef {object} KnownGpu
 * @property {string} adapter
 * @property {string[]} [gpu_features]
 * @property {string} [gpu_refusal]
 * @property {'gpu_refused' | 'gpu_slower'} [gpu_refusal_code]
 */

/**
 * A `LoadProgress` says how much of a model has arrived or has been read.
 *
 * @typedef {object} LoadProgress
 * @property {number} loaded_bytes arrived, in this visit or an earlier one; of a cached model or a
 *   file, taken by the engine
 * @property {number | null} total_bytes null where the source does not tell
 * @property {number} bytes_per_second over the last seconds
 * @property {boolean} from_cache whether all of it was on the device before
 */

/**
 * @typedef {object} Usage
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {number} total_tokens
 * @property {number} cached_tokens prompt tokens that were still in the KV cache
 */

/**
 * `Timings` holds the wall times of one answer. A rate is 0 if it was not measured.
 *
 * @typedef {object} Timings
 * @property {number} prefill_ms from start to the first token
 * @property {number} decode_ms from the first token to the last
 * @property {number} prefill_tokens_per_second
 * @property {number} decode_tokens_per_second
 */

/**
 * @typedef {object} Prefill
 * @property {number} done_tokens
 * @property {number} total_tokens
 */

/**
 * @typedef {'stop' | 'length' | 'abort'} FinishReason
 */

/**
 * An `EngineEvent` is one step of an answer, as the wasm returns it.
 *
 * @typedef {object} EngineEvent
 * @property {string} text
 * @property {FinishReason | null} finish_reason
 * @property {Usage} [usage] on the last event
 * @property {Prefill} [prefill] while the prompt is read
 * @property {TokenLogprob} [logprob] with `logprobs: true`
 */

/**
 * A `Logprob` is the natural logarithm of a token's probability, before penalties, temperature and
 * filters.
 *
 * @typedef {{token: string, logprob: number, bytes: number[]}} Logprob
 */

/**
 * A `TokenLogprob` is a generated token's log-probability with the most likely tokens at its
 * position.
 *
 * @typedef {Logprob & {top_logprobs: Logprob[]}} TokenLogprob
 */

/**
 * @typedef {object} ChatMessage
 * @property {'system' | 'developer' | 'user' | 'assistant' | 'tool'} role
 * @property {string | {type: 'text', text: string}[] | null} [content]
 * @property {object[]} [tool_calls] of an assistant's message
 * @property {string} [tool_call_id] of a tool's message
 * @property {string} [name]
 */

/**
 * The engine takes this request: it has OpenAI's names, and llama.cpp's for the samplers that
 * OpenAI lacks. Unknown fields are refused. Those from `n` on are taken because OpenAI's clients
 * send them: other values are refused, and these have no effect.
 *
 * @typedef {object} ChatRequest
 * @property {ChatMessage[]} messages
 * @property {object[]} [tools]
 * @property {'auto' | 'none'} [tool_choice] with `none` the model is not shown the tools
 * @property {Record<string, unknown>} [chat_template_kwargs] variables of the chat template, such
 *   as `{enable_thinking: false}`
 * @property {number} [max_tokens]
 * @property {number} [max_completion_tokens] OpenAI's newer name of `max_tokens`
 * @property {number} [temperature] 0 is greedy
 * @property {number} [top_k]
 * @property {number} [top_p]
 * @property {number} [min_p]
 * @property {number} [repetition_penalty]
 * @property {number} [frequency_penalty]
 * @property {number} [presence_penalty]
 * @property {Record<string, number>} [logit_bias] token id to bias
 * @property {number[]} [allowed_token_ids] no other token is written
 * @property {number} [seed]
 * @property {boolean} [logprobs] gives each token's log-probability
 * @property {number} [top_logprobs] and those of up to 20 alternatives
 * @property {string | string[]} [stop]
 * @property {'error' | 'slide'} [context_overflow] what to do when the context is full
 * @property {1} [n]
 * @property {{type: 'text'}} [response_format]
 * @property {boolean} [parallel_tool_calls]
 * @property {string} [user]
 * @property {string} [safety_identifier]
 * @property {string} [prompt_cache_key]
 * @property {boolean} [store]
 * @property {Record<string, unknown>} [metadata]
 * @property {string} [service_tier]
 */

/**
 * `Engine` is the wasm's class. Only the worker drives it, and only between two `next()`.
 *
 * @typedef {object} Engine
 * @property {(bytes: Uint8Array) => void} push
 * @property {() => boolean} has_header whether enough of the file is there for `test_gpu`
 * @property {(threads: number) => Promise<void>} test_gpu tries the kernels that the model needs;
 *   with `threads` above 0 it also refuses a card slower than that many threads of the processor
 * @property {() => Promise<void>} settle waits until a card has taken all that was pushed
 * @property {() => Promise<ModelInfo>} finish
 * @property {(replacement: Engine) => void} reload replaces a model that was lost; the file
 *   is pushed and finished again
 * @property {(request: ChatRequest) => void} start
 * @property {() => Promise<EngineEvent | undefined>} next at most about 100 ms of prefill, or one
 *   token
 * @property {() => void} stop ends the answer with the next event, and a score that runs with an
 *   error
 * @property {(text: string, options?: {special?: boolean}) => Uint32Array} tokenize
 * @property {(ids: Uint32Array) => string} detokenize
 * @property {(ids: Uint32Array) => Promise<Score>} score
 * @property {() => number} memory_bytes
 * @property {() => number | undefined} take_seat
 * @property {() => void} free
 */

/**
 * A `Score` says how likely the model finds a text.
 *
 * @typedef {object} Score
 * @property {number[]} log_probabilities natural logarithm of each token's probability after those
 *   before it; the first token has none
 * @property {number[]} most_likely the most likely token after each
 */

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

/** @typedef {'f16' | 'q8_0'} CacheType how the graphics card keeps keys and values */

/**
 * A `UrlSource` is a model at a URL, with the options of how it is stored.
 *
 * @typedef {object} UrlSource
 * @property {'url'} kind
 * @property {string} url
 * @property {string} key what the model is known by on this device (its folder's name)
 * @property {string} [hint] what to say where there is no file at `url`
 * @property {RequestInit} init
 * @property {string} [sha256]
 * @property {'disk' | 'memory'} storage
 * @property {boolean} evict
 * @property {boolean} revalidate whether the server is asked if a stored file has changed
 */

/**
 * A `WeightSource` is a model file in a form that can be posted to a worker.
 *
 * @typedef {UrlSource
 *   | {kind: 'blob', blob: Blob}
 *   | {kind: 'port', port: MessagePort, total_bytes: number | null}} WeightSource
 */

/**
 * @typedef {object} LoadMessage
 * @property {'load'} type
 * @property {number} id
 * @property {WeightSource} source
 * @property {number} [context_tokens]
 * @property {number} [slots]
 * @property {string} [chat_template]
 * @property {CacheType} [cache_type]
 * @property {number} [threads]
 * @property {'auto' | 'gpu' | 'cpu'} backend
 * @property {string} [wasm_base_url] the folder of the wasm files, which ends with a slash
 * @property {KnownGpu[]} known_gpus
 */

/**
 * The page sends these messages to the worker.
 *
 * @typedef {LoadMessage
 *   | {type: 'chat', id: number, request: ChatRequest}
 *   | {type: 'stop', id: number}
 *   | {type: 'tokenize', id: number, text: string, special: boolean}
 *   | {type: 'detokenize', id: number, ids: Uint32Array}
 *   | {type: 'score', id: number, ids: Uint32Array}
 *   | {type: 'memory', id: number}
 *   | {type: 'unload', id: number}} PageMessage
 */

/**
 * The worker sends these messages to the page. `event` belongs to a chat and `progress` to a load.
 * `done` ends a call, `failed` ends it with an error. `moved` says that the backend changed.
 * `crashed` means that the worker cannot be used any more.
 *
 * @typedef {{type: 'progress', id: number, value: LoadProgress}
 *   | {type: 'started', id: number}
 *   | {type: 'event', id: number, value: EngineEvent, timings?: Timings}
 *   | {type: 'done', id: number, value: unknown}
 *   | {type: 'failed', id: number, code: string, message: string}
 *   | {type: 'moved', value: ModelInfo}
 *   | {type: 'unloaded'}
 *   | {type: 'crashed', message: string}} WorkerMessage
 */

export {};
