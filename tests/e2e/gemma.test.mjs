// This test runs the real Gemma 3 270M in Chromium. Gemma's licence asks each person to accept it,
// so that nothing here fetches the file: who has it puts it beside the other models.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MODELS_DIR, ROOT, cannotRun, start } from './helpers/harness.mjs';

const FILE = 'gemma-3-270m-q4_k_m.gguf';
const GOLDEN = join(ROOT, 'tests/fixtures/real/gemma-3-270m-q4_k_m.json');
const CONTEXT_TOKENS = 4096;
/**
 * The KV cache holds keys and values of one head of 256, two bytes each: all positions in 3 layers,
 * and in 15 whose tokens see 512 those, a step's 64 and a reserve of 192.
 */
const CACHE_BYTES = (3 * CONTEXT_TOKENS + 15 * 768) * 2 * 256 * 2;

const POSITIONS = 513;

const skip =
  cannotRun() ||
  (existsSync(join(MODELS_DIR, FILE)) ? false : `SKIPPED: ${join(MODELS_DIR, FILE)} is missing`);

test(
  'Gemma 3 270M answers, and is as sure of a text as llama.cpp',
  { skip, timeout: 600_000 },
  async (t) => {
    const site = await start();
    t.after(() => site.stop());
    const { page } = await site.open();
    page.setDefaultTimeout(600_000);
    const { tokens, logprob_next } = JSON.parse(readFileSync(GOLDEN, 'utf8'));
    const { info, text, score } = await page.evaluate(
      async ({ url, contextTokens, tokens }) => {
        const { Siskin } = await import('/lib/siskin.js');
        const options = { backend: 'cpu', contextTokens, storage: 'memory' };
        const siskin = await Siskin.load(url, options);
        const { choices } = await siskin.completions.create({
          prompt: 'The capital of France is',
          temperature: 0,
          max_tokens: 8,
        });
        const score = await siskin.score(tokens);
        return { info: siskin.info, text: choices[0].text, score };
      },
      {
        url: `/models/${FILE}`,
        contextTokens: CONTEXT_TOKENS,
        tokens: tokens.slice(0, POSITIONS),
      },
    );
    assert.equal(info.kv_cache_bytes, CACHE_BYTES);
    const off = score.log_probabilities.reduce((sum, x, i) => sum + x - logprob_next[i], 0);
    const ratio = Math.exp(-off / (POSITIONS - 1));
    t.diagnostic(`"${text}"; perplexity is ${ratio.toFixed(4)} times llama.cpp's`);
    assert.match(text, /France|Paris/);
    assert.ok(Math.abs(ratio - 1) < 0.01, `${ratio}`);
  },
);
