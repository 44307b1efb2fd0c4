/**
 * The reference of `siskin/builtin-ai`: the browsers' own AI interfaces over a model.
 *
 * @module siskin/builtin-ai
 */
export { createBuiltinAi, installBuiltinAi } from '../../www/lib/builtin_ai/install.js';
export { QuotaExceededError } from '../../www/lib/builtin_ai/exceptions.js';
export type { Quota, QuotaError, QuotaErrorClass } from '../../www/lib/builtin_ai/exceptions.js';
export type { InstallOptions } from '../../www/lib/builtin_ai/install.js';
export type { Availability, HostOptions } from '../../www/lib/builtin_ai/model_host.js';
export type {
  BuiltinAi,
  CallOptions,
  CorrectionType,
  CreateOptions,
  Destroyable,
  DownloadMonitor,
  InterfaceClass,
  LanguageDetectionResult,
  LanguageDetector,
  LanguageDetectorOptions,
  LanguageModel,
  LanguageModelCoreOptions,
  LanguageModelExpected,
  LanguageModelMessage,
  LanguageModelPrompt,
  LanguageOptions,
  ProofreadCorrection,
  Proofreader,
  ProofreaderOptions,
  ProofreadResult,
  Rewriter,
  RewriterOptions,
  SamplingMode,
  Summarizer,
  SummarizerOptions,
  Translator,
  TranslatorClass,
  TranslatorOptions,
  Writer,
  WriterOptions,
  WritingCallOptions,
  WritingObject,
  WritingOptions,
} from '../../www/lib/builtin_ai/interfaces.js';
