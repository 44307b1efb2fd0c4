/** This module computes figures from measurements and formats them as a table. */

import { SHORT_CONTEXT_TOKENS } from './measure.js';

/** @import { Sizes, Step, StepName } from './measure.js' */

/**
 * A figure is undefined if it was not measured.
 *
 * @typedef {object} Figures
 * @property {number} [load_s]
 * @property {number} [first_s] from the first question after loading to its first text
 * @property {number} [question_s] the same for a later question
 * @property {number} [prefill_tokens_per_second]
 * @property {number} [decode_tokens_per_second]
 * @property {number} [long_decode_tokens_per_second]
 * @property {number} [long_over_short] the last over the one before it
 * @property {number} [memory_mb]
 */

/**
 * @typedef {object} Row
 * @property {keyof Figures} key
 * @property {string} title
 * @property {string} unit
 * @property {number} digits after the point
 */

/**
 * @param {Sizes} sizes
 * @returns {Row[]}
 */
export function rowsOf({ long_tokens }) {
  const [short, long] = [SHORT_CONTEXT_TOKENS, long_tokens].map((tokens) =>
    tokens.toLocaleString('en'),
  );
  return [
    { key: 'load_s', title: 'load', unit: 's', digits: 2 },
    { key: 'first_s', title: 'first token of the first answer', unit: 's', digits: 2 },
    { key: 'question_s', title: 'first token of a later answer', unit: 's', digits: 2 },
    { key: 'prefill_tokens_per_second', title: 'prefill', unit: 'tokens/s', digits: 1 },
    {
      key: 'decode_tokens_per_second',
      title: `decode at context ${short}`,
      unit: 'tokens/s',
      digits: 1,
    },
    {
      key: 'long_decode_tokens_per_second',
      title: `decode at context ${long}`,
      unit: 'tokens/s',
      digits: 1,
    },
    {
      key: 'long_over_short',
      title: `decode at ${long} over that at ${short}`,
      unit: '',
      digits: 2,
    },
    { key: 'memory_mb', title: 'peak memory', unit: 'MB', digits: 0 },
  ];
}

/**
 * @param {{load_ms?: number, memory_bytes?: number, steps: Step[]}} run
 * @returns {Figures}
 */
export function figuresOf({ load_ms, memory_bytes, steps }) {
  const step = (/** @type {StepName} */ name) => steps.find((step) => step.name === name);
  const [first, question, prefill, decode, long] = [
    step('first'),
    step('question'),
    step('prefill'),
    step('decode'),
    step('long'),
  ];
  // The prefill yields the first token.
  const decodeRate = (/** @type {Step | undefined} */ step) =>
    step && perSecond(step.completion_tokens - 1, step.decode_ms);
  const [short_rate, long_rate] = [decodeRate(decode), decodeRate(long)];
  return {
    load_s: load_ms && load_ms / 1000,
    first_s: first && first.first_ms / 1000,
    question_s: question && question.first_ms / 1000,
    prefill_tokens_per_second:
      prefill && perSecond(prefill.prompt_tokens - prefill.cached_tokens, prefill.prefill_ms),
    decode_tokens_per_second: short_rate,
    long_decode_tokens_per_second: long_rate,
    long_over_short: short_rate && long_rate && long_rate / short_rate,
    memory_mb: memory_bytes && memory_bytes / 1e6,
  };
}

/**
 * @param {Row} row
 * @param {Figures} figures
 * @returns {string} such as "12.3", "-" where nothing was measured
 */
export function cell({ key, digits }, figures) {
  return figures[key]?.toFixed(digits) ?? '-';
}

/**
 * Returns a Markdown table that is readable as plain text too: the first column is aligned to the
 * left, all others to the right.
 *
 * @param {string[][]} rows the first is the head
 * @returns {string}
 */
export function markdownTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(1, ...rows.map((row) => row[column].length)));
  const lines = rows.map((row) => {
    const cells = row.map((text, column) =>
      column ? text.padStart(widths[column]) : text.padEnd(widths[column]),
    );
    return `| ${cells.join(' | ')} |`;
  });
  const rule = widths.map((width, column) => '-'.repeat(width + 1) + (column ? ':' : '-'));
  const [head, ...body] = lines;
  return [head, `|${rule.join('|')}|`, ...body].join('\n');
}

/**
 * @param {number} count
 * @param {number} ms
 */
function perSecond(count, ms) {
  return count > 0 && ms > 0 ? (count * 1000) / ms : undefined;
}
