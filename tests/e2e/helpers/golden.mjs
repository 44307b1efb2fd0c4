// This module reads what llama.cpp and exact arithmetic find of a text, with a real model.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './harness.mjs';

/** @param {string} file of the model */
export const golden = (file) =>
  JSON.parse(
    readFileSync(join(ROOT, 'tests/fixtures/real', file.replace(/\.gguf$/, '.json')), 'utf8'),
  );
