/** This module holds what `Siskin` has of OpenAI's API beside `chat.completions.create`. */
export { createCompletion } from './text_completions.js';
export { countTokens } from './count_tokens.js';
export { createEmbeddings } from './embeddings.js';
export { fetchHere } from './fetch.js';
export { listModels, retrieveModel } from './model_list.js';
export { askSeveral } from './several.js';

/** @import { Completions } from '../chat/completions.js' */
/** @import { LoadedModel } from '../engine/engines.js' */

/**
 * A `Host` is the model that answers.
 *
 * @typedef {object} Host
 * @property {{completions: Completions}} chat
 * @property {(signal?: AbortSignal) => Promise<LoadedModel>} model waits until it is loaded
 */
