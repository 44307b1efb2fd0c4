/**
 * Siskin runs small language models inside a browser tab. This module is the package's public API.
 *
 * @module siskin
 */
export { Siskin, SiskinError, models, offline } from './siskin.js';

/** @typedef {import('./siskin.js').ModelSource} ModelSource */
/** @typedef {import('./load_options.js').LoadOptions} LoadOptions */
/** @typedef {import('./load_options.js').AdapterOptions} AdapterOptions */
/** @typedef {import('./engine/port.js').PortLike} PortLike */
/** @typedef {import('./errors.js').SiskinErrorCode} SiskinErrorCode */
/** @typedef {import('./chat/fallback.js').FallbackOptions} FallbackOptions */
/** @typedef {import('./model/models.js').StoredModel} StoredModel */
/** @typedef {import('./model/models.js').PrefetchOptions} PrefetchOptions */
/** @typedef {import('./protocol.js').LoadProgress} LoadProgress */
/** @typedef {import('./protocol.js').ModelInfo} ModelInfo */
/** @typedef {import('./protocol.js').ChatMessage} ChatMessage */
/** @typedef {import('./protocol.js').ContentPart} ContentPart */
/** @typedef {import('./protocol.js').ChatRequest} ChatRequest */
/** @typedef {import('./protocol.js').Timings} Timings */
/** @typedef {import('./protocol.js').Prefill} Prefill */
/** @typedef {import('./protocol.js').Score} Score */
/** @typedef {import('./protocol.js').Logprob} Logprob */
/** @typedef {import('./protocol.js').TokenLogprob} TokenLogprob */
/** @typedef {import('./protocol.js').CacheType} CacheType */
/** @typedef {import('./offline/register.js').OfflineStatus} OfflineStatus */
/** @typedef {import('./offline/register.js').PrecacheProgress} PrecacheProgress */
/** @typedef {import('./chat/prefix.js').Prefix} Prefix */
/** @typedef {import('./chat/prefix.js').PrefixOptions} PrefixOptions */
/** @typedef {import('./chat/completions.js').Completions} Completions */
/** @typedef {import('./chat/completions.js').CompletionRequest} CompletionRequest */
/** @typedef {import('./chat/completions.js').StreamingRequest} StreamingRequest */
/** @typedef {import('./chat/completions.js').AnyRequest} AnyRequest */
/** @typedef {import('./chat/completions.js').RequestOptions} RequestOptions */
/** @typedef {import('./chat/completions.js').CompletionUsage} CompletionUsage */
/** @typedef {import('./chat/completions.js').Choice} Choice */
/** @typedef {import('./chat/completions.js').ChunkChoice} ChunkChoice */
/** @typedef {import('./chat/completions.js').Logprobs} Logprobs */
/** @typedef {import('./chat/completions.js').ChatCompletion} ChatCompletion */
/** @typedef {import('./chat/completions.js').ChatCompletionChunk} ChatCompletionChunk */
/** @typedef {import('./chat/completions.js').ChatCompletionStream} ChatCompletionStream */
/** @typedef {import('./openai/count_tokens.js').CountOptions} CountOptions */
/** @typedef {import('./openai/embeddings.js').Embeddings} Embeddings */
/** @typedef {import('./openai/embeddings.js').EmbeddingRequest} EmbeddingRequest */
/** @typedef {import('./openai/embeddings.js').EmbeddingResponse} EmbeddingResponse */
/** @typedef {import('./openai/model_list.js').Model} Model */
/** @typedef {import('./openai/model_list.js').Models} Models */
/** @typedef {import('./openai/text_completions.js').TextCompletions} TextCompletions */
/** @typedef {import('./openai/text_completions.js').TextRequest} TextRequest */
/** @typedef {import('./openai/text_completions.js').TextCompletion} TextCompletion */
/** @typedef {import('./openai/text_completions.js').TextCompletionStream} TextCompletionStream */
/** @typedef {import('./chat/structured_types.js').LoraScale} LoraScale */
/** @typedef {import('./protocol.js').CheckResult} CheckResult */
/** @typedef {import('./writing/options.js').ProofreadOptions} ProofreadOptions */
/** @typedef {import('./writing/options.js').RewriteOptions} RewriteOptions */
/** @typedef {import('./writing/proofread.js').ProofreadResult} ProofreadResult */
/** @typedef {import('./writing/proofread.js').Correction} Correction */
/** @typedef {import('./writing/proofread.js').ProofreadSentence} ProofreadSentence */
/** @typedef {import('./writing/correction_types.js').CorrectionType} CorrectionType */
