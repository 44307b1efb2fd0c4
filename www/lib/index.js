/**
 * Siskin runs small language models inside a browser tab. This module is the package's public API.
 *
 * @module siskin
 */
export { Siskin, SiskinError, models, offline } from './siskin.js';

/** @typedef {import('./siskin.js').ModelSource} ModelSource */
/** @typedef {import('./load_options.js').LoadOptions} LoadOptions */
/** @typedef {import('./chat/fallback.js').FallbackOptions} FallbackOptions */
/** @typedef {import('./model/models.js').StoredModel} StoredModel */
/** @typedef {import('./model/models.js').PrefetchOptions} PrefetchOptions */
/** @typedef {import('./protocol.js').LoadProgress} LoadProgress */
/** @typedef {import('./protocol.js').ModelInfo} ModelInfo */
/** @typedef {import('./protocol.js').ChatMessage} ChatMessage */
/** @typedef {import('./protocol.js').Timings} Timings */
/** @typedef {import('./offline/register.js').OfflineStatus} OfflineStatus */
/** @typedef {import('./offline/register.js').PrecacheProgress} PrecacheProgress */
/** @typedef {import('./chat/completions.js').CompletionRequest} CompletionRequest */
/** @typedef {import('./chat/completions.js').StreamingRequest} StreamingRequest */
/** @typedef {import('./chat/completions.js').ChatCompletion} ChatCompletion */
/** @typedef {import('./chat/completions.js').ChatCompletionChunk} ChatCompletionChunk */
