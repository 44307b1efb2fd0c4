/**
 * This module defines the messages between page and engine. But for the version it holds types
 * only. docs/design/protocol.md tells who says what when.
 */

/** @import { SiskinErrorCode } from './errors.js' */
/** @import { ChoiceProbability, ResponseFormat } from './chat/structured_types.js' */
/** @import { AdapterSource } from './model/source.js' */
/** @import { LoraScale, ReasoningEffort, ToolCallDelta } from './chat/structured_types.js' */

/** The version of the messages. It is raised when an older end would misread them. */
export const PROTOCOL = 2;

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
 * @property {string} fingerprint tells files apart: a hash of a sample of the bytes, with adapters
 *   and their scales, 16 hexadecimal digits
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
 * @property {number} [draft_n] how many tokens were guessed and checked, if any were
 * @property {number} [draft_n_accepted] how many of them were right
 */

/**
 * @typedef {object} Drafts
 * @property {number} tokens how many tokens were guessed and checked
 * @property {number} accepted_tokens how many of them were right
 */

/**
 * @typedef {object} Prefill
 * @property {number} done_tokens
 * @property {number} total_tokens
 */

/**
 * @typedef {'stop' | 'length' | 'tool_calls' | 'abort'} FinishReason
 */

/**
 * An `EngineEvent` is one step of an answer, as the wasm returns it.
 *
 * @typedef {object} EngineEvent
 * @property {string} text
 * @property {FinishReason | null} finish_reason
 * @property {Usage} [usage] on the last event
 * @property {Drafts} [drafts] on the last event, if tokens were guessed
 * @property {Prefill} [prefill] while the prompt is read
 * @property {TokenLogprob} [logprob] with `logprobs: true`
 * @property {string} [reasoning_content] a part of the model's thoughts
 * @property {ToolCallDelta[]} [tool_calls] the calls that are complete
 * @property {ChoiceProbability[]} [choice] on the last event, with `choice`
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
 * A `ChatMessage` has OpenAI's shape.
 *
 * @typedef {object} ChatMessage
 * @property {'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'} role who says
 *   it; `developer` is read as `system`, and `function`, OpenAI's old name of `tool`, is refused
 * @property {string | ContentPart[] | null} [content] the text; null or absent only where an
 *   assistant's message has `tool_calls`
 * @property {object[] | null} [tool_calls] of an assistant's message: the calls that it made
 * @property {string} [tool_call_id] of a tool's message: the call that it answers
 * @property {string} [name] who says it, for the templates that show it
 */

/**
 * A `ContentPart` is a part of a message. Text is read; parts of OpenAI's other types are refused
 * with `invalid_argument`.
 *
 * @typedef {{type: 'text', text: string} | {type: string}} ContentPart
 */

/**
 * The engine takes this request: it has OpenAI's names, and llama.cpp's for the samplers that
 * OpenAI lacks. Null counts as absent, and other fields are refused. Those from `n` on are taken
 * because OpenAI's clients send them: other values are refused, and these have no effect.
 *
 * @typedef {object} ChatRequest
 * @property {ChatMessage[]} messages the conversation, at least one message
 * @property {object[] | null} [tools] what the model may call, as OpenAI's tool objects. Refused
 *   where the model's chat template shows it no tools
 * @property {'auto' | 'none' | 'required' | (string & {}) | object | null} [tool_choice] `auto`
 *   (the default) lets the model call tools, `none` does not show them, `required` makes it call
 *   one, and `{type: 'function', function: {name}}` that one
 * @property {boolean | null} [parallel_tool_calls] false allows one call; by default several
 * @property {Record<string, unknown> | null} [chat_template_kwargs] variables of the chat template,
 *   such as `{enable_thinking: false}`
 * @property {number | null} [max_tokens] how many tokens the answer may have, from 1; by default as
 *   many as fit the context
 * @property {number | null} [max_completion_tokens] OpenAI's newer name of `max_tokens`
 * @property {number | null} [temperature] from 0, which always takes the most likely token, to 2;
 *   by default 0.8
 * @property {number | null} [top_k] only this number of the most likely tokens is considered; 0
 *   considers all. By default 40
 * @property {number | null} [top_p] only the most likely tokens that have this probability together
 *   are considered, from 0 to 1; by default 0.95
 * @property {number | null} [min_p] only tokens at least this likely are considered, compared with
 *   the most likely one, from 0 to 1; by default 0.05
 * @property {number | null} [repetition_penalty] above 0, at most 10; more than 1 makes tokens of
 *   the conversation less likely. By default 1
 * @property {number | null} [frequency_penalty] from -2 to 2, for each time that a token is in the
 *   answer; by default 0
 * @property {number | null} [presence_penalty] from -2 to 2, once for a token that is in the
 *   answer; by default 0
 * @property {Record<string, number> | null} [logit_bias] token id to a bias from -100 to 100
 * @property {number[] | null} [allowed_token_ids] no other token is written; by default all may be
 * @property {number | null} [seed] a whole number: the same seed and request give the same answer.
 *   By default a random one
 * @property {boolean | null} [logprobs] gives each token's log-probability; by default false
 * @property {number | null} [top_logprobs] and those of up to 20 alternatives, with
 *   `logprobs: true`; by default 0
 * @property {string | string[] | null} [stop] the answer ends before the first of these strings
 * @property {'error' | 'slide' | null} [context_overflow] what to do when the context is full:
 *   `error` (the default) ends the answer with the reason `length`, and refuses a prompt that does
 *   not fit; `slide` drops the oldest messages' tokens, and keeps the system message
 * @property {number | null} [draft_max] at most this number of tokens is guessed from the
 *   conversation and checked in one step, which changes the speed and not the text; 0 guesses none.
 *   By default as many as make the answer faster
 * @property {boolean | null} [continue_final_message] whether the answer goes on where the last
 *   message ends, which is the assistant's; what it begins with is not repeated. By default false
 * @property {ReasoningEffort | null} [reasoning_effort]
 *   `none` switches the model's thoughts off; the others reach the chat template
 * @property {number | null} [reasoning_budget] after this number of tokens the thoughts are ended,
 *   and the answer begins
 * @property {ResponseFormat | null} [response_format] holds the answer to a form, token by token;
 *   by default any text
 * @property {string | null} [regex] holds the answer to a regular expression
 * @property {string | null} [grammar] holds the answer to a grammar in llguidance's form of Lark
 * @property {string[] | null} [choice] the answer is the likeliest of these labels, and has the
 *   probability of each. Nothing is sampled
 * @property {LoraScale[] | null} [lora] how strong each adapter is that the model was loaded with;
 *   one that is not listed changes nothing. By default all of them, as `load` was told
 * @property {number | null} [n] how many answers are written, from 1 to 128, each with the `seed`
 *   after that of the one before; by default 1
 * @property {string | null} [user]
 * @property {string | null} [safety_identifier]
 * @property {string | null} [prompt_cache_key]
 * @property {boolean | null} [store]
 * @property {Record<string, unknown> | null} [metadata]
 * @property {string | null} [service_tier]
 */

/**
 * A `RawRequest` has a prompt that no chat template writes: a text, or token ids. With `suffix` the
 * model writes what stands between the two.
 *
 * @typedef {Omit<ChatRequest, 'messages' | 'tools' | 'tool_choice'> & {
 *   prompt: string | number[],
 *   suffix?: string,
 * }} RawRequest
 */

/**
 * A `PrefixRequest` has the fields of a request that its prompt is made of.
 *
 * @typedef {Pick<ChatRequest, 'messages' | 'tools' | 'chat_template_kwargs'>} PrefixRequest
 */

/**
 * @typedef {object} EmbedResult
 * @property {ArrayLike<number>[]} embeddings one for each input
 * @property {number[]} token_counts
 */

/**
 * @typedef {object} PrefixMessage
 * @property {'prefix'} type
 * @property {number} id
 * @property {PrefixRequest} request
 * @property {string} [key] by which the prefix is stored on the device
 * @property {boolean} [save] whether its bytes are wanted
 */

/**
 * @typedef {object} PrefixResult
 * @property {number} token_count
 * @property {boolean} restored whether the prefix was read from the device
 * @property {Uint8Array} [bytes] with `save`
 */

/** @typedef {import('./engine/wasm_engine.js').Engine} Engine */
/** @typedef {import('./engine/wasm_engine.js').LoadPlan} LoadPlan */
/** @typedef {import('./engine/wasm_engine.js').MemoryField} MemoryField */
/** @typedef {import('./engine/wasm_engine.js').WasmModule} WasmModule */

/**
 * A `Score` says how likely the model finds a text.
 *
 * @typedef {object} Score
 * @property {number[]} log_probabilities natural logarithm of the probability of each token from
 *   number `from` on, after those before it
 * @property {number[]} most_likely the most likely token in the place of each, and after the last
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
 * @property {AdapterSource[]} [adapters]
 * @property {CacheType} [cache_type]
 * @property {number} [threads]
 * @property {'auto' | 'gpu' | 'cpu'} backend
 * @property {string} [wasm_base_url] the folder of the wasm files, which ends with a slash
 * @property {KnownGpu[]} known_gpus
 */

/** @typedef {Omit<LoadMessage, 'type'> & {type: 'check'}} CheckMessage */

/**
 * A `CheckResult` says whether a model would run on this machine.
 *
 * @typedef {object} CheckResult
 * @property {boolean} ok whether it would
 * @property {SiskinErrorCode} [code] why not: the code that `load` would fail with
 * @property {string} [reason] and its sentence for people
 * @property {Omit<LoadPlan, MemoryField>} [model] what is in its header; absent where that cannot
 *   be read
 * @property {number} [memory_bytes] the memory that it would take
 * @property {'cpu' | 'gpu'} backend where it would be tried first. A graphics card is tested when
 *   the model is loaded, and the processor takes over from one that is wrong or slower
 * @property {string} [adapter] the graphics card's name
 * @property {string} [gpu_refusal] why the graphics card would not compute
 * @property {SiskinErrorCode} [gpu_refusal_code]
 * @property {boolean} cached whether all of the model is on this device
 * @property {number} [free_bytes] what this site may still store here, where the browser tells
 */

/**
 * A `Hello` is the first message of each end of a port.
 *
 * @typedef {{type: 'hello', protocol: number, build: string}} Hello
 */

/**
 * The page sends these messages to the engine. `id` is the number of a call, which the client
 * counts. `info` waits until the model is loaded. `idle` says whether nobody reads an answer.
 * `serve` and `serve_channel` bring the engine another client. `close` ends the client's calls.
 *
 * @typedef {Hello
 *   | LoadMessage
 *   | CheckMessage
 *   | {type: 'info', id: number}
 *   | {type: 'chat', id: number, request: ChatRequest | RawRequest}
 *   | {type: 'idle', id: number, value: boolean}
 *   | {type: 'stop', id: number}
 *   | {type: 'tokenize', id: number, text: string, special: boolean}
 *   | {type: 'detokenize', id: number, ids: Iterable<number>}
 *   | {type: 'score', id: number, ids: Iterable<number>, from?: number}
 *   | {type: 'count_tokens', id: number, request: ChatRequest}
 *   | {type: 'embed', id: number, inputs: (string | number[])[]}
 *   | PrefixMessage
 *   | {type: 'restore_prefix', id: number, bytes: Iterable<number>}
 *   | {type: 'memory', id: number}
 *   | {type: 'ping', id: number}
 *   | {type: 'serve', port: MessagePort}
 *   | {type: 'serve_channel', name: string}
 *   | {type: 'close'}
 *   | {type: 'unload'}} PageMessage
 */

/**
 * A `ModelMessage` is a call that waits until the model is loaded.
 *
 * @typedef {Extract<
 *   PageMessage,
 *   {type: 'info' | 'chat' | 'score' | 'prefix' | 'restore_prefix' | 'tokenize' | 'detokenize'
 *     | 'count_tokens' | 'embed' | 'memory'}
 * >} ModelMessage
 */

/**
 * The engine sends these messages to the page. `event` belongs to a chat and `progress` to a load.
 * `done` ends a call, `failed` ends it with an error. `moved` says that the backend changed.
 * `crashed` means that the engine cannot be used any more, `gone` that its page unloads it.
 *
 * @typedef {Hello
 *   | {type: 'progress', id: number, value: LoadProgress}
 *   | {type: 'started', id: number}
 *   | {type: 'event', id: number, value: EngineEvent, timings?: Timings}
 *   | {type: 'done', id: number, value: unknown}
 *   | {type: 'failed', id: number, code: SiskinErrorCode, message: string}
 *   | {type: 'moved', value: ModelInfo}
 *   | {type: 'gone'}
 *   | {type: 'unloaded'}
 *   | {type: 'crashed', message: string}} WorkerMessage
 */
