/**
 * This module makes a loaded model a provider of the AI SDK (`ai`): `siskin/ai-sdk`.
 *
 * @module siskin/ai-sdk
 */
import { streamParts } from './ai_sdk/stream_parts.js';
import { contentOf, finishReasonOf, usageOf } from './ai_sdk/results.js';
import { requestOf } from './ai_sdk/request.js';

/** @import { ChatCompletion } from './chat/completions.js' */
/** @import { Siskin } from './siskin.js' */

/**
 * A `LanguageModel` is what `generateText` and `streamText` take for a model: a `LanguageModelV4`.
 *
 * @typedef {object} LanguageModel
 * @property {'v4'} specificationVersion
 * @property {string} provider
 * @property {string} modelId
 * @property {Record<string, RegExp[]>} supportedUrls
 * @property {(options: any) => Promise<any>} doGenerate
 * @property {(options: any) => Promise<any>} doStream
 */

/**
 * An `EmbeddingModel` is what `embed` and `embedMany` take for a model: an `EmbeddingModelV4`.
 *
 * @typedef {object} EmbeddingModel
 * @property {'v4'} specificationVersion
 * @property {string} provider
 * @property {string} modelId
 * @property {number} maxEmbeddingsPerCall
 * @property {boolean} supportsParallelCalls
 * @property {(options: any) => Promise<any>} doEmbed
 */

/**
 * @typedef {object} SiskinProvider
 * @property {() => LanguageModel} languageModel the loaded model, for `generateText` and
 *   `streamText`
 * @property {() => EmbeddingModel} embeddingModel the loaded model, for `embed` and `embedMany`
 */

/** OpenAI's API takes no more inputs. */
const MAX_EMBEDDINGS = 2048;

/**
 * Returns a provider of the AI SDK over a loaded model.
 *
 * ```js
 * import { generateText } from 'ai';
 * import { createSiskin } from 'siskin/ai-sdk';
 *
 * const model = createSiskin(siskin).languageModel();
 * const { text } = await generateText({ model, prompt: 'Name a bird.' });
 * ```
 *
 * @param {Siskin} siskin
 * @returns {SiskinProvider}
 */
export function createSiskin(siskin) {
  const shared = () => ({
    specificationVersion: /** @type {const} */ ('v4'),
    provider: 'siskin',
    // With a fallback, a model may answer that is not loaded yet.
    modelId: nameOf(siskin),
  });
  return {
    languageModel: () => ({
      ...shared(),
      supportedUrls: {},
      doGenerate: (options) => generate(siskin, options),
      doStream: (options) => stream(siskin, options),
    }),
    embeddingModel: () => ({
      ...shared(),
      maxEmbeddingsPerCall: MAX_EMBEDDINGS,
      supportsParallelCalls: false,
      doEmbed: (options) => embed(siskin, options),
    }),
  };
}

/** @param {Siskin} siskin */
function nameOf(siskin) {
  try {
    return siskin.info.name;
  } catch {
    return 'siskin';
  }
}

/**
 * @param {Siskin} siskin
 * @param {any} options
 */
async function generate(siskin, options) {
  const { request, warnings } = requestOf(options);
  const answer = /** @type {ChatCompletion} */ (
    await siskin.chat.completions.create(/** @type {any} */ (request), {
      signal: options.abortSignal,
    })
  );
  const [choice] = answer.choices;
  return {
    content: contentOf(choice.message),
    finishReason: finishReasonOf(choice.finish_reason),
    usage: usageOf(answer.usage),
    warnings,
    request: { body: request },
    response: {
      id: answer.id,
      timestamp: new Date(answer.created * 1000),
      modelId: answer.model,
      body: answer,
    },
  };
}

/**
 * @param {Siskin} siskin
 * @param {any} options
 */
async function stream(siskin, options) {
  const { request, warnings } = requestOf(options);
  const chunks = /** @type {any} */ (
    await siskin.chat.completions.create(/** @type {any} */ ({ ...request, stream: true }), {
      signal: options.abortSignal,
    })
  );
  const parts = streamParts(chunks, warnings, options.includeRawChunks === true);
  return { stream: parts, request: { body: request } };
}

/**
 * @param {Siskin} siskin
 * @param {any} options
 */
async function embed(siskin, { values, abortSignal, providerOptions }) {
  const { dimensions } = providerOptions?.siskin ?? {};
  const { data, usage } = await siskin.embeddings.create(
    { input: values, dimensions },
    { signal: abortSignal },
  );
  return {
    embeddings: data.map(({ embedding }) => embedding),
    usage: { tokens: usage.prompt_tokens },
    warnings: [],
  };
}
