// What a page writes with the built-in AI interfaces is checked by its compiler.
import {
  createBuiltinAi,
  installBuiltinAi,
  QuotaExceededError,
  type Availability,
  type BuiltinAi,
} from '../../www/lib/builtin_ai.js';
import { Siskin } from '../../www/lib/index.js';

declare const LanguageModel: BuiltinAi['LanguageModel'];

export async function useAll(siskin: Siskin, url: URL) {
  const remove: () => void = installBuiltinAi({
    model: url,
    loadOptions: { backend: 'cpu', slots: 2 },
    languages: ['en', 'de'],
    force: ['LanguageModel'],
  });
  // @ts-expect-error: the loading is ended by the signals of create
  installBuiltinAi({ model: url, loadOptions: { signal: AbortSignal.abort() } });
  const state: Availability = await LanguageModel.availability({ samplingMode: 'creative' });
  const session = await LanguageModel.create({
    initialPrompts: [{ role: 'system', content: 'Be short.' }],
    monitor: (monitor) => {
      monitor.addEventListener('downloadprogress', ({ loaded, total }) => loaded / total);
      monitor.ondownloadprogress = ({ loaded }) => loaded;
    },
  });
  session.oncontextoverflow = ({ type }) => type;
  const pieces: string[] = [];
  for await (const piece of session.promptStreaming('Hello')) pieces.push(piece);
  // @ts-expect-error: a mode that there is not
  await LanguageModel.create({ samplingMode: 'wild' });
  const { Summarizer, Translator, Proofreader, LanguageDetector } = createBuiltinAi({
    model: siskin,
  });
  const summarizer = await Summarizer.create({ type: 'tldr', outputLanguage: 'en' });
  const summary: string = await summarizer.summarize('A text.', { context: 'For a blog.' });
  // @ts-expect-error: languages are missing
  await Translator.create({});
  const { corrections = [] } = await (await Proofreader.create()).proofread('teh');
  const [{ detectedLanguage }] = await (await LanguageDetector.create()).detect('Hello');
  try {
    await session.prompt([{ role: 'user', content: [{ type: 'text', value: 'Hi' }] }]);
  } catch (error) {
    if (error instanceof QuotaExceededError) return error.requested;
  }
  return [remove, state, summary, corrections[0]?.startIndex, detectedLanguage, pieces.length];
}
