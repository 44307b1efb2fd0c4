/**
 * Siskin: small language models inside a browser tab.
 *
 * @module siskin
 */
export { Siskin } from './siskin.js';
export { SiskinError } from './errors.js';
export { models } from './models.js';
export * as offline from './offline.js';

/** @typedef {import('./siskin.js').ModelSource} ModelSource */
/** @typedef {import('./siskin.js').LoadOptions} LoadOptions */
/** @typedef {import('./fallback.js').FallbackOptions} FallbackOptions */
/** @typedef {import('./models.js').StoredModel} StoredModel */
/** @typedef {import('./models.js').PrefetchOptions} PrefetchOptions */
/** @typedef {import('./protocol.js').LoadProgress} LoadProgress */
/** @typedef {import('./protocol.js').ModelInfo} ModelInfo */
/** @typedef {import('./protocol.js').ChatMessage} ChatMessage */
/** @typedef {import('./protocol.js').Timings} Timings */
/** @typedef {import('./offline.js').OfflineStatus} OfflineStatus */
/** @typedef {import('./offline.js').PrecacheProgress} PrecacheProgress */
/** @typedef {import('./chat.js').CompletionRequest} CompletionRequest */
/** @typedef {import('./chat.js').StreamingRequest} StreamingRequest */
/** @typedef {import('./chat.js').ChatCompletion} ChatCompletion */
/** @typedef {import('./chat.js').ChatCompletionChunk} ChatCompletionChunk */
