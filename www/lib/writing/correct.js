/**
 * This module corrects one sentence. The model is asked for a correction; what it made and what it
 * nearly made, and what is often mistaken, are candidates; and the model judges each of them by how
 * much likelier it makes the sentence.
 */
import { marginOf, nearlyMade, piecesOf } from './candidates.js';
import { alternatives, areForms, areVariants, otherPrepositions } from './confusions.js';
import { applyEdits, diff } from './diff.js';
import { changesMeaning, whyNot } from './guard.js';
import { correctionPrompt } from './prompt.js';
import { ruleEdits } from './rules.js';
import { protectedSpans } from './spans.js';
import { isWord, tokenize } from './tokens.js';

/** @import { ChatCompletion, CompletionRequest } from '../chat/completions.js' */
/** @import { PrefixOptions } from '../chat/prefix.js' */
/** @import { ChatMessage } from '../protocol.js' */
/** @import { Candidate } from './candidates.js' */
/** @import { Edit } from './diff.js' */
/** @import { Judge, Scorer } from './judge.js' */
/** @import { Language } from './language.js' */
/** @import { ProtectedSpan } from './spans.js' */

/**
 * A `Model` is the part of a `Siskin` that proofreading uses.
 *
 * @typedef {Scorer & {
 *   chat: {completions: {create: (request: CompletionRequest) => Promise<ChatCompletion>}},
 *   prefix: (messages: ChatMessage[], options: PrefixOptions) => Promise<unknown>,
 * }} Model
 */

/**
 * A `Task` is a sentence to correct, with one space between its words.
 *
 * @typedef {object} Task
 * @property {string} sentence
 * @property {Language} language
 * @property {boolean} closed whether it stands where a sentence needs its sign at the end
 * @property {AbortSignal | undefined} signal
 */

/** How much likelier an edit must make the sentence (natural logarithm), by where it is from. */
export const MIN_GAIN = { rule: -2, made: 3, near: 2.5, usual: 5, usual_form: 6, removal: 6 };

/** This number of candidates are scored at most, besides those that the model made. */
const MAX_NEAR = 4;
const MAX_USUAL = 12;
/** What is often mistaken is looked at only where the model finds a word this unlikely. */
const MIN_SURPRISE = 4;

/**
 * Returns the corrected sentence, or the sentence itself.
 *
 * @param {Model} model
 * @param {Judge} judge
 * @param {Task} task
 * @returns {Promise<string>}
 */
export async function correctSentence(model, judge, task) {
  const { sentence, language, closed, signal } = task;
  const spans = spansOf(sentence, language);
  const protected_at = new Set(spans.map(({ start }) => start));
  const words = tokenize(sentence, spans).filter(
    ({ text, start }) => isWord(text) && !protected_at.has(start),
  );
  if (words.length < 2) return sentence;
  const { choices } = await model.chat.completions.create({
    messages: correctionPrompt(sentence, language),
    temperature: 0,
    max_tokens: 16 + sentence.length,
    logprobs: true,
    top_logprobs: 5,
    signal,
  });
  const { message, logprobs } = choices[0];
  const rules = ruleEdits(sentence, language, closed).filter(
    (edit) => !changesMeaning(edit, spans) && !isCapitalOfChat(task, edit),
  );
  const read = readAnswer(task, message.content, logprobs?.content ?? [], spans);
  const usual = await usualMistakes(judge, task, spans);
  // In English they are listed words; in other languages also any word with another end.
  const usual_gain = language === 'en' ? MIN_GAIN.usual : MIN_GAIN.usual_form;
  return choose(judge, sentence, [
    ...rules.map((edit) => ({ edit, min: MIN_GAIN.rule })),
    ...read.made.map(({ edit }) => ({ edit, min: MIN_GAIN.made })),
    ...read.near.slice(0, MAX_NEAR).map(({ edit }) => ({ edit, min: MIN_GAIN.near })),
    ...usual.map((edit) => ({ edit, min: usual_gain })),
  ]);
}

/**
 * @param {string} sentence
 * @param {Language} language
 */
function spansOf(sentence, language) {
  // German nouns are capitalised.
  return protectedSpans(sentence, { names: language !== 'de' });
}

/**
 * Returns the edits that an answer made, and those that it nearly made; none where it is no
 * correction of the sentence.
 *
 * @param {Task} task
 * @param {string} content
 * @param {readonly import('../protocol.js').TokenLogprob[]} logprobs
 * @param {readonly ProtectedSpan[]} spans
 * @returns {{made: Candidate[], near: Candidate[]}}
 */
export function readAnswer(task, content, logprobs, spans) {
  const { sentence, language, closed } = task;
  const changed = content.trim();
  const changed_spans = spansOf(changed, language);
  const edits = diff(sentence, changed, spans, changed_spans);
  if (edits.length > 0 && whyNot({ original: sentence, changed, edits }, spans, changed_spans))
    return { made: [], near: [] };
  const pieces = piecesOf(logprobs);
  const isAllowed = (/** @type {Edit} */ edit) => {
    const { before, after, start } = edit;
    if (changesMeaning(edit, spans) || isCapitalOfChat(task, edit)) return false;
    if (before.length === 1 && after.length === 1 && areVariants(before[0], after[0])) return false;
    // A line of a list, a greeting or a chat needs no sign at its end.
    const only_signs = ![...before, ...after].some(isWord);
    return closed || !(only_signs && start === sentence.length);
  };
  const made = edits
    .filter(isAllowed)
    .map((edit) => ({ edit, margin: marginOf(sentence, edit, pieces) }));
  const near = nearlyMade(sentence, changed, pieces, spans).filter(
    ({ edit }) =>
      isAllowed(edit) &&
      // What is left out by the way must be a short word.
      (edit.after.length > 0 || edit.before.every((word) => isWord(word) && areForms(word))),
  );
  return { made, near };
}

/**
 * Returns whether an edit only writes capitals in a line that has none at its beginning and no sign
 * at its end: so people write in chats.
 *
 * @param {Pick<Task, 'sentence' | 'closed'>} task
 * @param {Pick<Edit, 'before' | 'after'>} edit
 */
function isCapitalOfChat({ sentence, closed }, { before, after }) {
  const is_chat = !closed && /^\p{Ll}/u.test(sentence);
  const [one, other] = [before, after].map((tokens) => tokens.join(' '));
  return is_chat && one !== other && one.toLowerCase() === other.toLowerCase();
}

/**
 * Returns edits that put what is often mistaken for a word in its place, where the model finds the
 * word unlikely.
 *
 * @param {Judge} judge
 * @param {Task} task
 * @param {readonly ProtectedSpan[]} spans
 * @returns {Promise<Edit[]>}
 */
export async function usualMistakes(judge, { sentence, language }, spans) {
  const tokens = tokenize(sentence, spans);
  const others = tokens.map(({ text }, index) =>
    isWord(text) ? alternatives(text, language, index === 0) : [],
  );
  const prepositions = tokens.map(({ text, glued }, index) =>
    index > 0 && !glued ? otherPrepositions(text, language) : [],
  );
  if ([...others, ...prepositions].every((list) => list.length === 0)) return [];
  const surprises = await judge.surprises(sentence, tokens);
  // A word that is wrong is unlikely, or makes the next one so. What follows a preposition is
  // mostly unlikely.
  const doubt = tokens.map((_, index) => surprises[index] + 0.5 * (surprises[index + 1] ?? 0));
  return tokens
    .map((token, index) => ({ token, index }))
    .filter(({ index }) =>
      prepositions[index].length > 0
        ? surprises[index] > MIN_SURPRISE
        : others[index].length > 0 && doubt[index] > MIN_SURPRISE,
    )
    .sort((one, other) => doubt[other.index] - doubt[one.index])
    .flatMap(({ token: { start, end }, index }) =>
      [...others[index], ...prepositions[index]].flatMap((text) =>
        diff(sentence, sentence.slice(0, text ? start : start - 1) + text + sentence.slice(end)),
      ),
    )
    .filter((edit) => !changesMeaning(edit, spans))
    .slice(0, MAX_USUAL);
}

/**
 * Returns the sentence with the edits that make it likelier by `min` at least, the best first. Each
 * is judged together with those before it.
 *
 * @param {Judge} judge
 * @param {string} sentence
 * @param {readonly {edit: Edit, min: number}[]} candidates of two that are equal the first counts
 */
export async function choose(judge, sentence, candidates) {
  if (candidates.length === 0) return sentence;
  const before = await judge.score(sentence);
  /** @type {Map<string, {edit: Edit, gain: number, needed: number}>} */
  const judged = new Map();
  // From right to left, so that each shares with the one before it all that stands before its edit.
  const in_order = [...candidates].sort((one, other) => other.edit.start - one.edit.start);
  for (const { edit, min } of in_order) {
    const changed = applyEdits(sentence, [edit]);
    if (judged.has(changed)) continue;
    // A text of fewer words is likelier by itself.
    const is_removal = edit.before.length > 0 && edit.after.length === 0;
    const needed = is_removal ? Math.max(min, MIN_GAIN.removal) : min;
    judged.set(changed, { edit, gain: (await judge.score(changed)) - before, needed });
  }
  /** @type {Edit[]} */
  let kept = [];
  let last = before;
  for (const { edit, gain, needed } of [...judged.values()].sort((a, b) => b.gain - a.gain)) {
    if (gain < needed) continue;
    const edits = withEdit(kept, edit);
    if (!edits) continue;
    const score = await judge.score(applyEdits(sentence, edits));
    if (score - last < needed) continue;
    [kept, last] = [edits, score];
  }
  return applyEdits(sentence, kept);
}

/**
 * Returns the edits with one more, in order, or undefined where it overlaps one of them.
 *
 * @param {readonly Edit[]} edits
 * @param {Edit} edit
 * @returns {Edit[] | undefined}
 */
function withEdit(edits, edit) {
  if (edits.some(({ start, end }) => start <= edit.end && edit.start <= end)) return undefined;
  return [...edits, edit].sort((one, other) => one.start - other.start);
}
