// This module computes medians and ratios of the runs.

import { cell, figuresOf, markdownTable, rowsOf } from '../../www/demo/figures.js';

/**
 * Returns the middle value, or the mean of the two in the middle; it is undefined for no values.
 */
export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Returns medians over an engine's rounds with one number of threads. A run that failed counts with
 * what it measured.
 */
export function summarize(runs) {
  const all = runs.map(figuresOf);
  const summary = Object.fromEntries(
    Object.keys(figuresOf({ steps: [] })).map((key) => [
      key,
      median(all.map((figures) => figures[key])),
    ]),
  );
  // The ratio is that of the two medians in the table, because a slow peer's long prompt is not in
  // every round.
  const { decode_tokens_per_second: short, long_decode_tokens_per_second: long } = summary;
  summary.long_over_short = short && long && long / short;
  return summary;
}

/**
 * Returns the spread of an engine's decode rates over the rounds, as a share of their median. It
 * tells how far the figures can be trusted.
 */
export function spread(runs) {
  const rates = runs.map((run) => figuresOf(run).decode_tokens_per_second).filter(Number.isFinite);
  return rates.length > 1 ? (Math.max(...rates) - Math.min(...rates)) / median(rates) : undefined;
}

/**
 * Returns a table for each number of threads. Ratios are Siskin's figure over the peer's.
 *
 * @param {{engine: string, threads: number, steps: object[]}[]} runs
 * @param {string[]} peers
 * @param {object} sizes
 */
export function tables(runs, peers, sizes) {
  return [...new Set(runs.map((run) => run.threads))].map((threads) => {
    const of = (engine) =>
      summarize(runs.filter((run) => run.engine === engine && run.threads === threads));
    const [siskin, ...others] = ['siskin', ...peers].map(of);
    const ratio = (key, other) =>
      siskin[key] && other[key] ? (siskin[key] / other[key]).toFixed(2) : '-';
    return markdownTable([
      [
        `${threads} thread${threads === 1 ? '' : 's'}`,
        'Siskin',
        ...peers,
        ...peers.map((peer) => `Siskin / ${peer}`),
      ],
      ...rowsOf(sizes).map((row) => [
        row.unit ? `${row.title}, ${row.unit}` : row.title,
        ...[siskin, ...others].map((figures) => cell(row, figures)),
        ...others.map((other) => ratio(row.key, other)),
      ]),
    ]);
  });
}
