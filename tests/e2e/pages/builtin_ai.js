// This page installs the built-in AI interfaces, and asks for a model that nobody has clicked for.
// (What a test evaluates in a page counts as a click.)
import { installBuiltinAi } from '/lib/builtin_ai.js';

window.uninstall = installBuiltinAi({
  model: '/tiny.gguf',
  loadOptions: { backend: 'cpu', threads: 1, contextTokens: 512 },
  force: true,
});
window.early = Promise.all([
  LanguageModel.availability(),
  LanguageModel.create().catch(({ name }) => name),
  Translator.create({ sourceLanguage: 'en', targetLanguage: 'ja' }).catch(({ name }) => name),
]);
