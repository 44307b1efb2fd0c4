/**
 * This module is `siskin/builtin-ai`: the interfaces of the browsers' built-in AI (the Prompt API,
 * the Writing Assistance APIs, Translator, Language Detector and Proofreader) over a model of
 * Siskin.
 *
 * ```js
 * installBuiltinAi({ model: '/models/qwen2.5-0.5b-instruct-q4_k_m.gguf' });
 * const session = await LanguageModel.create();
 * output.textContent = await session.prompt('Write a sentence about birds.');
 * ```
 *
 * @module siskin/builtin-ai
 */
export { createBuiltinAi, installBuiltinAi } from './builtin_ai/install.js';
export { QuotaExceededError } from './builtin_ai/exceptions.js';

/** @typedef {import('./builtin_ai/interfaces.js').BuiltinAi} BuiltinAi */
/** @typedef {import('./builtin_ai/install.js').InstallOptions} InstallOptions */
/** @typedef {import('./builtin_ai/model_host.js').HostOptions} HostOptions */
/** @typedef {import('./builtin_ai/model_host.js').Availability} Availability */
