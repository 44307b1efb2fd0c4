/**
 * This module finds what proofreading must not touch: addresses, numbers, code, names, quotes and
 * markup.
 */

/** @import { Span } from './tokens.js' */

/**
 * A `Kind` says what a span is. A `name` is a capitalised word inside a sentence, a `quote` what
 * stands between quotation marks, a `mark` an @name or a #tag.
 *
 * @typedef {'address' | 'number' | 'code' | 'emoji' | 'mark' | 'quote' | 'markup' | 'name'} Kind
 */
/** @typedef {Span & {kind: Kind, text: string}} ProtectedSpan */

/** Units that may stand behind a number, with or without a space. */
const UNITS =
  /percent|Prozent|por ciento|pour cent|[kmcµn]?m[²³]?|km\/h|mph|[kmµ]?g|[kmc]?l|lbs?|oz|ft|in/
    .source +
  /|[kMGT]i?B|[kMGT]?Hz|[kM]?Wh?|[kM]?V|°\s?[CF]|°|[€$£¥%‰]|EUR|USD|GBP|CHF|Uhr|h|min|ms|s/.source +
  /|am|pm|a\.m\.|p\.m\.|th|st|nd|rd|er|e|º|ª/.source;

/**
 * The patterns, the first of which wins where two match at a place.
 *
 * @type {[Kind, string][]}
 */
const PATTERNS = [
  ['code', /`+[^`]+`+/.source],
  ['markup', /<\/?[A-Za-z][^<>]*>|<!--[^]*?-->|&(?:#\d+|[A-Za-z]+);/.source],
  ['markup', /\*{1,3}|_{2,3}|~~/.source],
  // The target of a link in Markdown.
  ['address', /\]\([^()\s]*\)/.source],
  ['address', /\b(?:[a-z][a-z+.-]*:\/\/|www\.|mailto:)[^\s<>"”»]*[^\s<>"”».,;:!?)\]'’]/.source],
  ['address', /[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/u.source],
  [
    'address',
    /(?<![\p{L}\p{N}.])(?:[\w-]+\.)+(?:com|org|net|io|de|es|fr|uk|eu|dev)\b(?:\/\S*[^\s.,;:!?)])?/u
      .source,
  ],
  // Paths and files.
  ['address', /(?<![\p{L}\p{N}])(?:~|\.{1,2})?(?:\/[\w.-]+){2,}\/?/u.source],
  ['address', /\b(?:[\w-]+\/){2,}[\w.-]*\w/.source],
  [
    'address',
    /\b[\w-]+\.(?:[jt]s|[cm]js|json|md|txt|pdf|docx?|xlsx?|csv|py|rs|html?|css)\b/.source,
  ],
  ['address', /\b[\w-]+\.(?:png|jpe?g|gif|svg|mp[34]|zip|pptx?)\b/.source],
  // Names in programs.
  ['code', /\b(?:[\p{L}\p{N}]+_[\p{L}\p{N}_]+|[a-z]+[A-Z][\p{L}\p{N}]*)/u.source],
  ['code', /\b(?:\w+\(\)|[A-Za-z_]\w*::\w+)/.source],
  ['mark', /[@#][\p{L}\p{N}_][\p{L}\p{N}_.-]*(?<![.-])/u.source],
  [
    'number',
    `[€$£¥]?\\s?\\p{N}[\\p{N}.,:/ -]*(?<=\\p{N})(?:\\s?(?:${UNITS})(?![\\p{L}\\p{N}]))?|` +
      `\\p{N}(?:\\s?(?:${UNITS})(?![\\p{L}\\p{N}]))?|` +
      '[\\p{Lu}\\p{N}]*\\p{N}[\\p{L}\\p{N}]*',
  ],
  ['emoji', /(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\u200d|\ufe0f|\u20e3)+/u.source],
  ['emoji', /\p{Regional_Indicator}+|[:;]-?[)(DPp](?![\p{L}\p{N}])/u.source],
  ['quote', /"[^"\n]{2,}?"|“[^“”\n]{2,}?”|„[^„“”\n]{2,}?[“”]/.source],
  ['quote', /«[^«»\n]{2,}?»|»[^«»\n]{2,}?«|‹[^‹›\n]{2,}?›/.source],
  ['quote', /(?<![\p{L}\p{N}])['‘][^'‘’\n]{2,}?['’](?![\p{L}\p{N}])/u.source],
];
const PATTERN = new RegExp(PATTERNS.map(([, source]) => `(${source})`).join('|'), 'gu');

/** A quote of any number of sentences. Single marks are apostrophes too often. */
const LONG_QUOTE = /"[^"\n]+"|“[^“”\n]+”|„[^„“”\n]+[“”]|«[^«»\n]+»|»[^«»\n]+«|‹[^‹›\n]+›/gu;

/**
 * Returns the quotes of a text, with their marks.
 *
 * @param {string} text
 * @returns {Span[]}
 */
export function quotes(text) {
  return Array.from(text.matchAll(LONG_QUOTE), ({ index, 0: { length } }) => ({
    start: index,
    end: index + length,
  }));
}

/** A capitalised word. "I" and its short forms are none. */
const CAPITALISED = /(?<![\p{L}\p{N}'’-])(?!I(?:['’]\p{L}+)?(?![\p{L}]))\p{Lu}[\p{L}\p{M}'’-]*/gu;
/** What stands before a word that begins a sentence, a part of it or a title. */
const BEGINNING = /(?:^|[.!?:;…¡¿—–"“„«(\n]\s*|[-*•]\s+)$/u;

/**
 * Returns what must stay as it is, in order.
 *
 * @param {string} text a sentence
 * @param {object} [options]
 * @param {boolean} [options.names] whether capitalised words count; not in German, where nouns are
 *   capitalised
 * @returns {ProtectedSpan[]}
 */
export function protectedSpans(text, { names = true } = {}) {
  /** @type {ProtectedSpan[]} */
  const spans = [];
  for (const match of text.matchAll(PATTERN)) {
    const kind = PATTERNS[match.slice(1).findIndex((group) => group !== undefined)][0];
    const start = match.index + (match[0].length - match[0].trimStart().length);
    const end = match.index + match[0].trimEnd().length;
    spans.push({ kind, start, end, text: text.slice(start, end) });
  }
  if (names)
    for (const match of text.matchAll(CAPITALISED)) {
      const [start, end] = [match.index, match.index + match[0].length];
      if (BEGINNING.test(text.slice(0, start))) continue;
      if (spans.some((span) => span.start < end && start < span.end)) continue;
      spans.push({ kind: 'name', start, end, text: match[0] });
    }
  return spans.sort((one, other) => one.start - other.start);
}
