// These tests keep the beginning of conversations with a real model over a reload, and refuse it
// where it is another model's or damaged.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QWEN, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

/** After a reload the first token comes in at most this share of the time without a prefix. */
const MAX_SHARE = 1 / 5;

const RULES = Array.from(
  { length: 24 },
  (_, i) => `Rule ${i + 1}: mend one mistake at a time, and leave names, numbers and quotes alone.`,
).join('\n');
const MESSAGES = [
  { role: 'system', content: `You correct the spelling of what you are given.\n${RULES}` },
  { role: 'user', content: 'I recieved it.' },
  { role: 'assistant', content: 'I received it.' },
];

describe('prefixes', { skip: cannotRun(QWEN, SMOLLM2), timeout: 240_000 }, () => {
  let site, page, complaints;
  before(async () => {
    site = await start();
    ({ page, complaints } = await site.open());
    await load();
  });
  after(() => site?.stop());

  /** Loads the model into the page, which may be new. */
  async function load(model = QWEN) {
    await page.evaluate(async (url) => {
      const { Siskin } = await import('/lib/siskin.js');
      window.siskin = await Siskin.load(url, { backend: 'cpu', contextTokens: 1024, threads: 1 });
      // The first tokens of an engine are slow: its code is compiled in two steps.
      await siskin.score(await siskin.tokenize('The siskin is a small finch. '.repeat(20)));
      window.codeOf = (promise) =>
        promise.then(
          () => 'no error',
          ({ code, message }) => `${code}: ${message}`,
        );
      window.firstToken = async (messages) => {
        const start_ms = performance.now();
        const user = { role: 'user', content: 'Teh end.' };
        const chunks = await siskin.chat.completions.create({
          messages: [...messages, user],
          temperature: 0,
          max_tokens: 8,
          stream: true,
        });
        let [text, first_ms, usage] = ['', 0];
        for await (const chunk of chunks) {
          const { content } = chunk.choices[0].delta;
          if (content) first_ms ||= performance.now() - start_ms;
          text += content;
          usage = chunk.usage ?? usage;
        }
        return { text, first_ms, ...usage };
      };
    }, `/models/${model}`);
  }

  test('after a reload the first token comes at once, and the answer is the same', async (t) => {
    const cold = await page.evaluate((messages) => firstToken(messages), MESSAGES);
    assert.equal(cold.prompt_tokens_details.cached_tokens, 0);
    const made = await page.evaluate(async (messages) => {
      const { token_count, restored } = await siskin.prefix(messages, { key: 'spelling' });
      return { token_count, restored };
    }, MESSAGES);
    assert.equal(made.restored, false);
    assert.ok(made.token_count > 500, `${made.token_count} tokens`);
    await page.reload();
    await load();
    const { restored, prefix_ms, ...warm } = await page.evaluate(async (messages) => {
      const start_ms = performance.now();
      const { restored } = await siskin.prefix(messages, { key: 'spelling' });
      const prefix_ms = performance.now() - start_ms;
      return { restored, prefix_ms, ...(await firstToken(messages)) };
    }, MESSAGES);
    assert.equal(restored, true);
    assert.equal(warm.prompt_tokens_details.cached_tokens, made.token_count);
    assert.equal(warm.text, cold.text);
    const share = (prefix_ms + warm.first_ms) / cold.first_ms;
    t.diagnostic(
      `${made.token_count} tokens: first token after ${Math.round(cold.first_ms)} ms, restored ` +
        `after ${Math.round(prefix_ms)} + ${Math.round(warm.first_ms)} ms: ${share.toFixed(3)}`,
    );
    assert.ok(share <= MAX_SHARE, `${share}`);
  });

  test('a clone shares the beginning, and a saved one comes back', async () => {
    const { text, ...counts } = await page.evaluate(async (messages) => {
      const prefix = await siskin.prefix(messages);
      const longer = await prefix.clone([
        { role: 'user', content: 'Its late.' },
        { role: 'assistant', content: 'It’s late.' },
      ]);
      const saved = await longer.save();
      window.saved = saved;
      const back = await siskin.restorePrefix(saved);
      const { text, prompt_tokens_details } = await firstToken(back.messages);
      return {
        text,
        prefix: prefix.token_count,
        longer: longer.token_count,
        back: back.token_count,
        cached: prompt_tokens_details.cached_tokens,
      };
    }, MESSAGES);
    assert.ok(text.length > 0);
    assert.ok(counts.longer > counts.prefix);
    assert.equal(counts.back, counts.longer);
    assert.equal(counts.cached, counts.longer);
  });

  test('damage, other options and a signal are errors', async () => {
    const errors = await page.evaluate(async (messages) => {
      const bytes = new Uint8Array(saved.slice(0));
      bytes[bytes.length >> 1] ^= 4;
      const stopping = new AbortController();
      setTimeout(() => stopping.abort(), 150);
      const system = { role: 'system', content: `And ${messages[0].content}` };
      return [
        await codeOf(siskin.prefix([system], { signal: stopping.signal })),
        await codeOf(siskin.restorePrefix(bytes)),
        await codeOf(siskin.restorePrefix('text')),
        await codeOf(siskin.prefix([])),
        await codeOf(siskin.prefix(messages, { k: 1 })),
        await codeOf(siskin.prefix(messages, { key: '' })),
      ];
    }, MESSAGES);
    const expected = [
      /^aborted/,
      /^integrity/,
      /^invalid_argument: restorePrefix takes/,
      /^invalid_argument: .*messages/,
      /^invalid_argument: .*no option `k`/,
      /^invalid_argument: `key` must/,
    ];
    for (const [i, error] of expected.entries()) assert.match(errors[i], error);
    const { text } = await page.evaluate((messages) => firstToken(messages), MESSAGES);
    assert.ok(text.length > 0, 'the engine goes on');
  });

  test('another model refuses it by name', async () => {
    await page.evaluate(async () => {
      await siskin.unload();
    });
    await load(SMOLLM2);
    const refused = await page.evaluate(() => codeOf(siskin.restorePrefix(saved)));
    assert.match(refused, /^prefix_mismatch: .*made with the model "[^"]*[Qq]wen[^"]*"/);
    assert.deepEqual(complaints, []);
  });
});
