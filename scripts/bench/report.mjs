// Medians and ratios of the runs, as a table of plain text or Markdown.

import { figures } from '../../www/demo/measure.js';

/** Key, title and digits of every row; `lower` where less is better. */
const ROWS = [
  ['load_s', 'load, s', 2, 'lower'],
  ['first_s', 'first token, first question, s', 2, 'lower'],
  ['question_s', 'first token, later question, s', 2, 'lower'],
  ['prefill_tokens_per_second', 'prefill, t/s', 1],
  ['decode_tokens_per_second', 'decode at context 64, t/s', 1],
  ['long_decode_tokens_per_second', 'decode at context 1,200, t/s', 1],
  ['long_over_short', '  the latter over the former', 2],
  ['peak_mb', 'peak memory, MB', 0, 'lower'],
];

/** The middle value, or the mean of the two in the middle; undefined of nothing. */
export function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The figures of one run, in the units of the table. */
export function runFigures({ load_ms, peak_bytes, steps }) {
  const { first_ms, question_ms, ...rates } = figures(steps);
  const seconds = (ms) => (ms === undefined ? undefined : ms / 1000);
  return { load_s: seconds(load_ms), first_s: seconds(first_ms), question_s: seconds(question_ms), ...rates, peak_mb: peak_bytes ? peak_bytes / 1e6 : undefined };
}

/** Medians over an engine's rounds with a number of threads. */
export function summarize(runs) {
  const all = runs.filter((run) => !run.error).map(runFigures);
  const summary = Object.fromEntries(ROWS.map(([key]) => [key, median(all.map((figures) => figures[key]))]));
  const { decode_tokens_per_second: short, long_decode_tokens_per_second: long } = summary;
  summary.long_over_short = short && long ? long / short : undefined;
  return summary;
}

/** How far an engine's decode rates lie apart over the rounds, as a share of their median: how much the figures can be trusted. */
export function spread(runs) {
  const rates = runs.filter((run) => !run.error).map((run) => runFigures(run).decode_tokens_per_second).filter(Number.isFinite);
  return rates.length > 1 ? (Math.max(...rates) - Math.min(...rates)) / median(rates) : undefined;
}

/**
 * One table for each number of threads. Ratios are Siskin's figure over the peer's.
 *
 * @param {{engine: string, threads: number, error?: string}[]} runs
 * @param {string[]} peers
 */
export function tables(runs, peers) {
  return [...new Set(runs.map((run) => run.threads))].map((threads) => {
    const of = (engine) => summarize(runs.filter((run) => run.engine === engine && run.threads === threads));
    const siskin = of('siskin');
    const others = peers.map((peer) => [peer, of(peer)]);
    const head = [`${threads} thread${threads === 1 ? '' : 's'}`, 'Siskin', ...peers, ...peers.map((peer) => `Siskin / ${peer}`)];
    const rows = ROWS.map(([key, title, digits, lower]) => {
      const ratio = ([, other]) => (key !== 'long_over_short' && siskin[key] && other[key] ? `${(siskin[key] / other[key]).toFixed(2)}${lower ? ' (lower is better)' : ''}` : '-');
      return [title, ...[siskin, ...others.map(([, other]) => other)].map((figures) => figures[key]?.toFixed(digits) ?? '-'), ...others.map(ratio)];
    });
    return markdown([head, ...rows]);
  });
}

/** A Markdown table that reads well as plain text too. */
export function markdown([head, ...rows]) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
