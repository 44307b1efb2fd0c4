/**
 * The reference of the package `siskin`, made from the types of its source: what www/lib/index.js
 * exports.
 *
 * @module siskin
 */
export { Siskin } from '../../www/lib/siskin.js';
export { SiskinError } from '../../www/lib/errors.js';
export { models } from '../../www/lib/model/models.js';
export * as offline from '../../www/lib/offline/register.js';
export type { ModelSource } from '../../www/lib/siskin.js';
export type { AdapterOptions, LoadOptions } from '../../www/lib/load_options.js';
export type { PortLike } from '../../www/lib/engine/port.js';
export type { SiskinErrorCode } from '../../www/lib/errors.js';
export type { FallbackOptions } from '../../www/lib/chat/fallback.js';
export type { StoredModel, PrefetchOptions } from '../../www/lib/model/models.js';
export type {
  LoadProgress,
  ModelInfo,
  ChatMessage,
  ContentPart,
  ChatRequest,
  Timings,
  Prefill,
  Score,
  Logprob,
  TokenLogprob,
  CacheType,
} from '../../www/lib/protocol.js';
export type { Prefix, PrefixOptions } from '../../www/lib/chat/prefix.js';
export type { OfflineStatus, PrecacheProgress } from '../../www/lib/offline/register.js';
export type {
  Completions,
  CompletionRequest,
  StreamingRequest,
  AnyRequest,
  RequestOptions,
  CompletionUsage,
  Choice,
  ChunkChoice,
  Logprobs,
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionStream,
} from '../../www/lib/chat/completions.js';
export type { ProofreadOptions, RewriteOptions } from '../../www/lib/writing/options.js';
export type {
  ProofreadResult,
  ProofreadSentence,
  Correction,
} from '../../www/lib/writing/proofread.js';
export type { CorrectionType } from '../../www/lib/writing/correction_types.js';
export type { LoraScale } from '../../www/lib/chat/structured_types.js';
export type { CheckResult } from '../../www/lib/protocol.js';
export type { CountOptions } from '../../www/lib/openai/count_tokens.js';
export type {
  Embeddings,
  EmbeddingRequest,
  EmbeddingResponse,
} from '../../www/lib/openai/embeddings.js';
export type { Model, Models } from '../../www/lib/openai/model_list.js';
export type {
  TextCompletions,
  TextRequest,
  TextCompletion,
  TextCompletionStream,
} from '../../www/lib/openai/text_completions.js';
