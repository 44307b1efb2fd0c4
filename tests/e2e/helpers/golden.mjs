// This module reads what llama.cpp and exact arithmetic find of a text, with a real model.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './harness.mjs';

/** @param {string} file of the model */
export const golden = (file) =>
  JSON.parse(
    readFileSync(join(ROOT, 'tests/fixtures/real', file.replace(/\.gguf$/, '.json')), 'utf8'),
  );

/**
 * Returns the perplexity of the first positions of a text.
 *
 * @param {number[]} log_probabilities of each next token
 * @param {number} positions
 */
export const perplexity = (log_probabilities, positions) =>
  Math.exp(
    -log_probabilities.slice(0, positions - 1).reduce((sum, x) => sum + x, 0) / (positions - 1),
  );
