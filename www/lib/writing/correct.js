/**
 * This module corrects one sentence. The model is asked for a correction twice; what it made and
 * what it nearly made, what it expects, and what is often mistaken, are candidates; and the model
 * judges each of them by how much likelier it makes the sentence.
 */
import { isSmall, nearlyMade, piecesOf } from './candidates.js';
import { alternatives, areForms, areRelated, areVariants, isOther } from './confusions.js';
import { applyEdits, diff } from './diff.js';
import { changesMeaning, isTaste, whyNot } from './guard.js';
import { patternEdits } from './patterns.js';
import { correctionPrompt, plainPrompt } from './prompt.js';
import { ruleEdits } from './rules.js';
import { protectedSpans } from './spans.js';
import { isWord, tokenize } from './tokens.js';

/** @import { ChatCompletion, CompletionRequest } from '../chat/completions.js' */
/** @import { PrefixOptions } from '../chat/prefix.js' */
/** @import { ChatMessage } from '../protocol.js' */
/** @import { Edit } from './diff.js' */
/** @import { Judge, Scorer } from './judge.js' */
/** @import { Language } from './language.js' */
/** @import { ProtectedSpan } from './spans.js' */
/** @import { Token } from './tokens.js' */

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
export const MIN_GAIN = {
  rule: -1.5,
  pattern: 0.5,
  made: 1,
  agreed: 1.5,
  near: 3,
  plain: 5,
  likely: 4.5,
  usual: 4.5,
  removal: 7,
};

/** The same in Spanish, German and French, of which the model knows less. */
export const MIN_GAIN_OTHERS = { ...MIN_GAIN, pattern: 4, likely: 5, usual: 5 };

/**
 * An `Origin` says where a candidate is from: the answer after examples (`made`, `near`) or without
 * them (`plain`), lists (`rule`, `pattern`, `usual`), or what the judge expects (`likely`).
 * `agreed` is what one answer nearly made and the other one made.
 *
 * @typedef {keyof Omit<typeof MIN_GAIN, 'removal'>} Origin
 */

/** This number of candidates are scored at most, besides those that the model made. */
const MAX_NEAR = 3;
const MAX_USUAL = 4;
/** What is often mistaken is looked at only where the model finds a word this unlikely. */
const MIN_SURPRISE = 4.5;
/** This number of them are looked at, where the model doubts most: a look takes half a score. */
const MAX_LOOKS = 8;
/** A look at a few words must find an edit likelier by this. */
const MIN_LIKELY = 2;

/**
 * Returns the corrected sentence, or the sentence itself.
 *
 * @param {Model} model
 * @param {Judge} judge
 * @param {Task} task
 * @returns {Promise<string>}
 */
export async function correctSentence(model, judge, task) {
  const candidates = await candidatesFor(model, judge, task);
  return choose(
    judge,
    task.sentence,
    candidates.map(({ edit, from }) => ({ edit, min: minGain(edit, from, task.language) })),
  );
}

/**
 * Returns edits that may be corrections, and where each is from; of equal ones the first counts.
 *
 * @param {Model} model
 * @param {Judge} judge
 * @param {Task} task
 * @returns {Promise<{edit: Edit, from: Origin}[]>}
 */
export async function candidatesFor(model, judge, task) {
  const { sentence, language, closed, signal } = task;
  const spans = spansOf(sentence, language);
  const protected_at = new Set(spans.map(({ start }) => start));
  const words = tokenize(sentence, spans).filter(
    ({ text, start }) => isWord(text) && !protected_at.has(start),
  );
  if (words.length < 2) return [];
  const ask = async (/** @type {ChatMessage[]} */ messages, /** @type {object} */ more = {}) => {
    const request = { messages, temperature: 0, max_tokens: 16 + sentence.length, signal, ...more };
    const { message, logprobs } = (await model.chat.completions.create(request)).choices[0];
    return readAnswer(task, message.content, logprobs?.content ?? [], spans);
  };
  const read = await ask(correctionPrompt(sentence, language), { logprobs: true, top_logprobs: 5 });
  const plain = await ask(plainPrompt(sentence));
  const isAllowed = (/** @type {Edit} */ edit) =>
    !changesMeaning(edit, spans) && !isCapitalOfChat(task, edit);
  const named = (/** @type {Edit[]} */ edits, /** @type {Origin} */ from) =>
    edits.map((edit) => ({ edit, from }));
  const doubtful = [
    ...read.near
      .slice(0, MAX_NEAR)
      .map((edit) => ({ edit, from: originOf(edit, language, plain.made) })),
    ...named(plain.made, 'plain'),
    ...(await usualMistakes(judge, task, spans)),
  ];
  return [
    ...named(ruleEdits(sentence, language, closed).filter(isAllowed), 'rule'),
    ...named(patternEdits(sentence, language).filter(isAllowed), 'pattern'),
    ...named(read.made, 'made'),
    ...doubtful.filter(({ edit }) => !isOther(edit, language)),
  ].filter(({ edit }) => !isTaste(edit, sentence));
}

/**
 * Returns where an edit is from that the answer nearly made.
 *
 * @param {Edit} edit
 * @param {Language} language
 * @param {readonly Edit[]} plain what the plain answer made
 * @returns {Origin}
 */
function originOf({ start, text, after }, language, plain) {
  const is_agreed =
    language === 'en' &&
    after.some(isWord) &&
    plain.some((it) => it.start === start && it.text === text);
  return is_agreed ? 'agreed' : 'near';
}

/**
 * Returns how much likelier an edit must make the sentence. A text of fewer words is likelier by
 * itself.
 *
 * @param {Edit} edit
 * @param {Origin} from
 * @param {Language} language
 */
function minGain({ before, after }, from, language) {
  const least = language === 'en' ? MIN_GAIN : MIN_GAIN_OTHERS;
  // Where the answer only nearly puts a word in, it is no more than what the judge expects; in
  // English a comma.
  const is_word = after.some(isWord);
  if (from === 'near' && before.length === 0 && is_word === (language !== 'en'))
    return least.likely;
  const is_removal =
    before.filter(isWord).length > after.filter(isWord).length && from !== 'pattern';
  return is_removal ? Math.max(least[from], least.removal) : least[from];
}

/**
 * Returns what of a sentence must stay as it is.
 *
 * @param {string} sentence
 * @param {Language} language
 */
export function spansOf(sentence, language) {
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
 * @returns {{made: Edit[], near: Edit[]}}
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
  const made = edits.filter((edit) => isAllowed(edit) && isSmall(edit));
  const near = nearlyMade(sentence, changed, pieces, spans).filter(
    (edit) =>
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
 */
export async function usualMistakes(judge, { sentence, language }, spans) {
  const tokens = tokenize(sentence, spans);
  const others = tokens.map(({ text }) => (isWord(text) ? alternatives(text, language) : []));
  const expected = await judge.surprises(sentence, tokens);
  // A word that is wrong is unlikely, or makes the next one so.
  const doubt = expected.map(
    ({ surprise }, index) => surprise + 0.5 * (expected[index + 1]?.surprise ?? 0),
  );
  const edits = (
    /** @type {'usual' | 'likely'} */ from,
    /** @type {number} */ index,
    /** @type {string[]} */ texts,
  ) => {
    const { start, end } = tokens[index];
    return texts.flatMap((text) =>
      diff(
        sentence,
        sentence.slice(0, isJoined(text) ? start - 1 : start) + text + sentence.slice(end),
      ).map((edit) => ({ edit, from, until: tokens[index + 1]?.end ?? end })),
    );
  };
  const in_order = [...tokens.keys()].sort((one, other) => doubt[other] - doubt[one]);
  const found = in_order
    .flatMap((index) => [
      ...edits('likely', index, expectedTexts(tokens, index, expected[index].likeliest)),
      ...(doubt[index] > MIN_SURPRISE ? edits('usual', index, others[index]) : []),
    ])
    .filter(({ edit }) => !changesMeaning(edit, spans));
  return shortlist(judge, sentence, found.slice(0, MAX_LOOKS));
}

/** Whether no space stands before a text. @param {string} text */
const isJoined = (text) => text === '' || text.startsWith(',');

/**
 * Returns what may stand in the place of a word where the model expects something else: what it
 * expects, this and the word, or nothing.
 *
 * @param {readonly Token[]} tokens
 * @param {number} index
 * @param {string} likeliest
 * @returns {string[]}
 */
function expectedTexts(tokens, index, likeliest) {
  const [last, here, next] = [tokens[index - 1], tokens[index], tokens[index + 1]];
  const text = likeliest.trim();
  if (!last || !isWord(here.text) || here.glued || text === here.text) return [];
  if (text === ',') return isWord(last.text) ? [`, ${here.text}`] : [];
  if (!/^\p{L}+$/u.test(text) || text === likeliest || text === last.text) return [];
  if (text === next?.text) return areForms(here.text) ? [''] : [];
  const texts = areRelated(here.text, text) ? [text] : [];
  if (areForms(text)) texts.push(`${text} ${here.text}`);
  return texts;
}

/**
 * Returns the edits that make the sentence likelier until the word after them, the best first: a
 * look at a few words tells most of what the whole sentence tells.
 *
 * @template {{edit: Edit, until: number}} T
 * @param {Judge} judge
 * @param {string} sentence
 * @param {T[]} found
 */
async function shortlist(judge, sentence, found) {
  /** @type {(T & {gain: number})[]} */
  const likely = [];
  for (const candidate of found) {
    const { edit, until } = candidate;
    const before = await judge.score(sentence.slice(0, until));
    const changed = sentence.slice(0, edit.start) + edit.text + sentence.slice(edit.end, until);
    const gain = (await judge.score(changed)) - before;
    if (gain >= MIN_LIKELY) likely.push({ ...candidate, gain });
  }
  return likely.sort((one, other) => other.gain - one.gain).slice(0, MAX_USUAL);
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
    judged.set(changed, { edit, gain: (await judge.score(changed)) - before, needed: min });
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
