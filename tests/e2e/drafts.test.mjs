// This test compares answers whose tokens were guessed with answers without guesses.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SMOLLM2, cannotRun, loadToAsk, start } from './helpers/harness.mjs';

describe('drafts', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  let page;
  before(async () => {
    site = await start();
    ({ page } = await site.open());
    await loadToAsk(page, `/models/${SMOLLM2}`);
  });
  after(() => site?.stop());

  test('drafts change neither texts nor log-probabilities', async () => {
    const { pairs, refused } = await page.evaluate(async () => {
      const content =
        'Repeat this sentence three times: The quick brown fox jumps over the lazy dog, and the ' +
        'lazy dog barks at the quick brown fox.';
      // Of few tokens, pairs soon come again, and no answer ends early.
      const allowed_token_ids = [...(await siskin.tokenize(' the quick brown fox'))];
      const pairs = [];
      for (const sampling of [
        { temperature: 0, allowed_token_ids },
        { temperature: 1, seed: 3, allowed_token_ids },
        { temperature: 0.7, seed: 1 },
        { temperature: 1, seed: 2, logprobs: true, top_logprobs: 2 },
      ]) {
        const options = { ...sampling, max_tokens: 90 };
        pairs.push([await ask(content, { ...options, draft_max: 0 }), await ask(content, options)]);
      }
      return { pairs, refused: await codeOf(ask(content, { draft_max: -1 })) };
    });
    for (const [plain, drafted] of pairs) {
      assert.deepEqual(drafted.choices, plain.choices);
      assert.equal(drafted.usage.completion_tokens, plain.usage.completion_tokens);
      assert.equal(plain.timings.draft_n, undefined);
    }
    const right = pairs.map(([, { timings }]) => timings.draft_n_accepted ?? 0);
    assert.ok(right[0] >= 10, `drafts that were right: ${right}`);
    assert.equal(refused, 'SiskinError: invalid_argument');
  });
});
