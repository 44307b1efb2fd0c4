/**
 * This module holds the types of the interfaces, by the drafts' names. docs/design/builtin_ai.md
 * says which drafts, and what is left out.
 */

/** @import { QuotaErrorClass } from './exceptions.js' */
/** @import { Availability } from './model_host.js' */

/**
 * A `DownloadMonitor` tells how much of the model has arrived: `loaded` of its events rises from 0
 * to 1, and their `total` is 1.
 *
 * @typedef {EventTarget & {
 *   addEventListener(type: 'downloadprogress', listener: (event: ProgressEvent) => void): void,
 *   ondownloadprogress: ((event: ProgressEvent) => unknown) | null,
 * }} DownloadMonitor
 */

/**
 * `CreateOptions` are those of every `create`.
 *
 * @typedef {object} CreateOptions
 * @property {AbortSignal} [signal] ends the waiting, and later destroys the object
 * @property {(monitor: DownloadMonitor) => void} [monitor] is called at once, with what tells of
 *   the download
 */

/**
 * `CallOptions` are those of every method that takes some time.
 *
 * @typedef {{signal?: AbortSignal}} CallOptions
 */

/**
 * A `Destroyable` ends with `destroy`: its calls fail with `AbortError`, those under way too.
 *
 * @typedef {{destroy(): void}} Destroyable
 */

/**
 * An `InterfaceClass` is what all interfaces have as static methods.
 *
 * @template Object
 * @template Options
 * @typedef {object} InterfaceClass
 * @property {Object} prototype
 * @property {(options?: Options) => Promise<Availability>} availability
 * @property {(options?: Options & CreateOptions) => Promise<Object>} create
 */

/**
 * A `LanguageModelMessage` is a message of a prompt.
 *
 * @typedef {object} LanguageModelMessage
 * @property {'system' | 'user' | 'assistant'} role
 * @property {string | {type: 'text', value: string}[]} content
 * @property {boolean} [prefix] refused with `NotSupportedError`
 */

/**
 * @typedef {object} LanguageModelExpected
 * @property {'text'} type
 * @property {string[]} [languages]
 */

/**
 * @typedef {'most-predictable' | 'predictable' | 'balanced' | 'creative' | 'most-creative'}
 *   SamplingMode
 */

/**
 * @typedef {object} LanguageModelCoreOptions
 * @property {SamplingMode} [samplingMode] by default `balanced`
 * @property {LanguageModelExpected[]} [expectedInputs]
 * @property {LanguageModelExpected[]} [expectedOutputs]
 * @property {LanguageModelMessage[]} [initialPrompts] are never dropped
 */

/** @typedef {string | LanguageModelMessage[]} LanguageModelPrompt */

/**
 * @typedef {EventTarget & Destroyable & {
 *   prompt(input: LanguageModelPrompt, options?: CallOptions): Promise<string>,
 *   promptStreaming(input: LanguageModelPrompt, options?: CallOptions): ReadableStream<string>,
 *   append(input: LanguageModelPrompt, options?: CallOptions): Promise<void>,
 *   measureContextUsage(input: LanguageModelPrompt, options?: CallOptions): Promise<number>,
 *   measureInputUsage(input: LanguageModelPrompt, options?: CallOptions): Promise<number>,
 *   clone(options?: CallOptions): Promise<LanguageModel>,
 *   readonly contextUsage: number,
 *   readonly contextWindow: number,
 *   readonly inputUsage: number,
 *   readonly inputQuota: number,
 *   readonly samplingMode: SamplingMode,
 *   oncontextoverflow: ((event: Event) => unknown) | null,
 *   onquotaoverflow: ((event: Event) => unknown) | null,
 * }} LanguageModel
 */

/**
 * `LanguageOptions` are those of the writing interfaces about languages, as BCP 47 tags.
 *
 * @typedef {object} LanguageOptions
 * @property {string[]} [expectedInputLanguages]
 * @property {string[]} [expectedContextLanguages]
 * @property {string} [outputLanguage] by default that of the input
 */

/**
 * @typedef {LanguageOptions & {sharedContext?: string}} WritingOptions
 */

/**
 * @typedef {CallOptions & {context?: string}} WritingCallOptions
 */

/**
 * @typedef {Destroyable & {
 *   readonly sharedContext: string,
 *   readonly expectedInputLanguages: readonly string[] | null,
 *   readonly expectedContextLanguages: readonly string[] | null,
 *   readonly outputLanguage: string | null,
 *   measureInputUsage(input: string, options?: WritingCallOptions): Promise<number>,
 *   readonly inputQuota: number,
 * }} WritingObject
 */

/**
 * @typedef {WritingOptions & {
 *   tone?: 'as-is' | 'more-formal' | 'more-casual',
 *   format?: 'as-is' | 'plain-text' | 'markdown',
 *   length?: 'as-is' | 'shorter' | 'longer',
 * }} RewriterOptions
 *
 * @typedef {WritingObject & {
 *   rewrite(input: string, options?: WritingCallOptions): Promise<string>,
 *   rewriteStreaming(input: string, options?: WritingCallOptions): ReadableStream<string>,
 *   readonly tone: 'as-is' | 'more-formal' | 'more-casual',
 *   readonly format: 'as-is' | 'plain-text' | 'markdown',
 *   readonly length: 'as-is' | 'shorter' | 'longer',
 * }} Rewriter
 */

/**
 * @typedef {WritingOptions & {
 *   tone?: 'formal' | 'neutral' | 'casual',
 *   format?: 'plain-text' | 'markdown',
 *   length?: 'short' | 'medium' | 'long',
 * }} WriterOptions
 *
 * @typedef {WritingObject & {
 *   write(input: string, options?: WritingCallOptions): Promise<string>,
 *   writeStreaming(input: string, options?: WritingCallOptions): ReadableStream<string>,
 *   readonly tone: 'formal' | 'neutral' | 'casual',
 *   readonly format: 'plain-text' | 'markdown',
 *   readonly length: 'short' | 'medium' | 'long',
 * }} Writer
 */

/**
 * @typedef {WritingOptions & {
 *   type?: 'tldr' | 'teaser' | 'key-points' | 'headline',
 *   format?: 'plain-text' | 'markdown',
 *   length?: 'short' | 'medium' | 'long',
 *   preference?: 'auto' | 'speed' | 'capability',
 * }} SummarizerOptions
 *
 * @typedef {WritingObject & {
 *   summarize(input: string, options?: WritingCallOptions): Promise<string>,
 *   summarizeStreaming(input: string, options?: WritingCallOptions): ReadableStream<string>,
 *   readonly type: 'tldr' | 'teaser' | 'key-points' | 'headline',
 *   readonly format: 'plain-text' | 'markdown',
 *   readonly length: 'short' | 'medium' | 'long',
 *   readonly preference: 'auto' | 'speed' | 'capability',
 * }} Summarizer
 */

/**
 * @typedef {{sourceLanguage: string, targetLanguage: string}} TranslatorOptions
 *
 * @typedef {Destroyable & {
 *   translate(input: string, options?: CallOptions): Promise<string>,
 *   translateStreaming(input: string, options?: CallOptions): ReadableStream<string>,
 *   measureInputUsage(input: string, options?: CallOptions): Promise<number>,
 *   readonly inputQuota: number,
 *   readonly sourceLanguage: string,
 *   readonly targetLanguage: string,
 * }} Translator
 *
 * @typedef {object} TranslatorClass
 * @property {Translator} prototype
 * @property {(options: TranslatorOptions) => Promise<Availability>} availability
 * @property {(options: TranslatorOptions & CreateOptions) => Promise<Translator>} create
 */

/**
 * @typedef {{expectedInputLanguages?: string[]}} LanguageDetectorOptions
 *
 * @typedef {{detectedLanguage: string, confidence: number}} LanguageDetectionResult
 *
 * @typedef {Destroyable & {
 *   detect(input: string, options?: CallOptions): Promise<LanguageDetectionResult[]>,
 *   measureInputUsage(input: string, options?: CallOptions): Promise<number>,
 *   readonly inputQuota: number,
 *   readonly expectedInputLanguages: readonly string[] | null,
 * }} LanguageDetector
 */

/**
 * @typedef {object} ProofreaderOptions
 * @property {boolean} [includeCorrectionTypes] whether corrections have `types`
 * @property {boolean} [includeCorrectionExplanations] must be false: there are none
 * @property {string[]} [expectedInputLanguages]
 * @property {string} [correctionExplanationLanguage]
 *
 * @typedef {'spelling' | 'punctuation' | 'capitalization' | 'grammar'} CorrectionType
 *
 * @typedef {object} ProofreadCorrection
 * @property {number} startIndex of the input, in UTF-16 units
 * @property {number} endIndex of the input, in UTF-16 units
 * @property {string} correction what takes the place of that part of the input
 * @property {CorrectionType[]} [types]
 *
 * @typedef {object} ProofreadResult
 * @property {string} correctedInput
 * @property {ProofreadCorrection[]} [corrections] in the order of the input; none of an input of
 *   spaces alone
 *
 * @typedef {Destroyable & {
 *   proofread(input: string, options?: CallOptions): Promise<ProofreadResult>,
 *   measureInputUsage(input: string, options?: CallOptions): Promise<number>,
 *   readonly inputQuota: number,
 *   readonly includeCorrectionTypes: boolean,
 *   readonly includeCorrectionExplanations: boolean,
 *   readonly expectedInputLanguages: readonly string[] | null,
 *   readonly correctionExplanationLanguage: string | null,
 * }} Proofreader
 */

/**
 * `BuiltinAi` holds the interfaces over a model.
 *
 * @typedef {object} BuiltinAi
 * @property {InterfaceClass<LanguageModel, LanguageModelCoreOptions>} LanguageModel
 * @property {InterfaceClass<Rewriter, RewriterOptions>} Rewriter
 * @property {InterfaceClass<Writer, WriterOptions>} Writer
 * @property {InterfaceClass<Summarizer, SummarizerOptions>} Summarizer
 * @property {InterfaceClass<Proofreader, ProofreaderOptions>} Proofreader
 * @property {TranslatorClass} Translator
 * @property {InterfaceClass<LanguageDetector, LanguageDetectorOptions>} LanguageDetector
 * @property {{prototype: DownloadMonitor}} CreateMonitor
 * @property {QuotaErrorClass} QuotaExceededError
 */

export {};
