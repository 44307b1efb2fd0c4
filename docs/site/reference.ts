/**
 * The reference of the package `siskin`, made from the types of its source.
 *
 * @module siskin
 */
export { Siskin, type ModelSource } from '../../www/lib/siskin.js';
export { SiskinError } from '../../www/lib/errors.js';
export { models, type StoredModel, type PrefetchOptions } from '../../www/lib/model/models.js';
export * as offline from '../../www/lib/offline/register.js';
export type { LoadOptions } from '../../www/lib/load_options.js';
export type { FallbackOptions } from '../../www/lib/chat/fallback.js';
export type { ChatMessage, LoadProgress, ModelInfo, Timings } from '../../www/lib/protocol.js';
export type {
  ChatCompletion,
  ChatCompletionChunk,
  CompletionRequest,
  StreamingRequest,
} from '../../www/lib/chat/completions.js';
