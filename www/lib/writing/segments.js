/**
 * This module cuts a text into the sentences that are proofread. What lies between them (white
 * space, bullets, headings, code, quoted lines) belongs to no sentence and is never changed.
 */

/** @import { Span } from './tokens.js' */

/**
 * A line that is at least this long and does not end a sentence goes on in the next one: mail is
 * wrapped at 70 to 80 characters.
 */
const WRAPPED_LENGTH = 55;

/** A longer sentence is left alone: a small model loses parts of it. */
const MAX_SENTENCE = 400;
/** No abbreviation is longer, with what stands around it. */
const MAX_TAIL = 24;

const FENCE = /^\s{0,3}(`{3,}|~{3,})/;
/** Headings, quoted lines, tables, rules, indented code, markup alone on a line: left alone. */
const LEFT_ALONE = /^\s{0,3}(?:#{1,6}\s|>|\||(?:[-*_=]\s*){3,}$|<[^>]*>\s*$)/;
const INDENTED = /^(?: {4}|\t)/;
const BULLET = /^\s*(?:[-*+•–]|\d{1,3}[.)]|[a-z]\))\s+(?:\[[ xX]\]\s+)?/;
const ENDS_SENTENCE = /[.!?…:]["'”’»)\]]*\s*$/u;

/** After these and a point a sentence goes on, whatever follows; so it does after a number. */
const ABBREVIATIONS =
  'Mr|Mrs|Ms|Dr|Prof|St|Sr|Sra|Srta|Jr|Mme|Mlle|No|Nr|Str|vs|etc|approx|e\\.g|i\\.e|z\\. ?B|' +
  'd\\. ?h|' +
  'u\\. ?a|bzw|ca|usw|evtl|ggf|inkl|p\\. ?ej|pág|núm|art|vol|[Ff]ig|pp';
const ABBREVIATION = new RegExp(`(?:^|[\\s(])(?:\\p{L}|\\d{1,2}|${ABBREVIATIONS})\\.\\s*$`, 'u');

/**
 * A `Sentence` is a span in UTF-16 offsets, without the white space around. `closed` says that it
 * has a sign at its end; one that has none may be a bullet, a greeting or a line of a chat.
 *
 * @typedef {Span & {closed: boolean}} Sentence
 */

/**
 * Returns the sentences of a text, in order.
 *
 * @param {string} text
 * @param {string} [language] BCP 47
 * @returns {Sentence[]}
 */
export function sentences(text, language) {
  const split = splitter(language);
  return paragraphs(text).flatMap(({ start, end }) =>
    merged(text, split(text.slice(start, end)), start)
      .map((span) => ({
        ...trimmed(text, span),
        closed: ENDS_SENTENCE.test(text.slice(span.start, span.end)),
      }))
      .filter(({ start, end }) => end > start && end - start <= MAX_SENTENCE),
  );
}

/**
 * Returns the runs of lines whose sentences may go on from line to line.
 *
 * @param {string} text
 * @returns {Span[]}
 */
function paragraphs(text) {
  /** @type {Span[]} */
  const result = [];
  /** @type {string | undefined} */
  let fence;
  let open = false;
  let after_blank = true;
  for (const { start, end, line } of lines(text)) {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark?.startsWith(fence)) fence = undefined;
      open = false;
      continue;
    }
    const bullet = BULLET.exec(line)?.[0].length ?? 0;
    const is_blank = line.trim() === '';
    /** @type {boolean} */
    const is_code = after_blank && !is_blank && bullet === 0 && INDENTED.test(line);
    after_blank = is_blank || is_code;
    if (mark) fence = mark;
    if (mark || is_code || is_blank || LEFT_ALONE.test(line)) {
      open = false;
      continue;
    }
    const last = result.at(-1);
    if (open && last && bullet === 0) last.end = end;
    else result.push({ start: start + bullet, end });
    open = line.length >= WRAPPED_LENGTH && !ENDS_SENTENCE.test(line);
  }
  return result;
}

/** @param {string} text */
function* lines(text) {
  for (const match of text.matchAll(/([^\r\n]*)(?:\r\n|\r|\n|$)/g))
    yield { start: match.index, end: match.index + match[1].length, line: match[1] };
}

/**
 * Returns a function that cuts a paragraph into pieces, whose lengths add up to its own.
 *
 * @param {string | undefined} language
 * @returns {(paragraph: string) => string[]}
 */
function splitter(language) {
  // Firefox below 125 has no segmenter.
  if (!globalThis.Intl?.Segmenter) return splitPlainly;
  const segmenter = new Intl.Segmenter(language, { granularity: 'sentence' });
  // For a segmenter the end of a line ends a sentence.
  return (paragraph) =>
    Array.from(segmenter.segment(paragraph.replace(/[\r\n]/g, ' ')), ({ segment }) => segment);
}

/**
 * Cuts after a sign that ends a sentence and white space, where no small letter follows.
 *
 * @param {string} paragraph
 * @returns {string[]}
 */
export function splitPlainly(paragraph) {
  return paragraph.match(/[^]+?(?:[.!?…]+["'”’»)\]]*\s+(?!\p{Ll})|[。！？]|$)/gu) ?? [];
}

/**
 * Puts pieces together that a segmenter cut after an abbreviation, or before a small letter: `He
 * cried no! and left.`
 *
 * @param {string} text
 * @param {string[]} pieces
 * @param {number} start
 * @returns {Span[]}
 */
function merged(text, pieces, start) {
  /** @type {Span[]} */
  const spans = [];
  let at = start;
  for (const { length } of pieces) {
    const last = spans.at(-1);
    const before = last ? text.slice(Math.max(last.start, last.end - MAX_TAIL), last.end) : '';
    const is_short = last !== undefined && at + length - last.start <= MAX_SENTENCE;
    // A sign within an address ends nothing.
    const goes_on =
      !/\s$/.test(before) || ABBREVIATION.test(before) || (is_short && /\p{Ll}/u.test(text[at]));
    if (last && goes_on) last.end = at + length;
    else spans.push({ start: at, end: at + length });
    at += length;
  }
  return spans;
}

/**
 * @param {string} text
 * @param {Span} span
 * @returns {Span}
 */
function trimmed(text, { start, end }) {
  const piece = text.slice(start, end);
  return {
    start: end - piece.trimStart().length,
    end: start + piece.trimEnd().length,
  };
}
