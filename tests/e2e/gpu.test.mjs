// These tests use the graphics card, where SwiftShader in Chromium and lavapipe in Firefox stand in
// for one: it answers correctly, or leaves its work to a faster processor.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WEBGPU_PREFS, cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';
import { AS_A_CARD, GPU_MODELS, SHORT_PATH, URL_PATH, askOnce, siteWith } from './helpers/gpu.mjs';
import { SMOLLM2, cannotRun, shoot, start } from './helpers/harness.mjs';

describe('the GPU in Chromium', { skip: cannotRun(SMOLLM2), timeout: 600_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start(GPU_MODELS, { gpu: true });
    ({ page } = await site.open());
    page.setDefaultTimeout(300_000);
  });
  after(() => site?.stop());

  test('answers', async () => {
    const { text, info, memory_bytes } = await askOnce(page, { backend: 'gpu' });
    assert.match(text, /Paris/);
    assert.equal(info.backend, 'gpu');
    assert.match(info.adapter, /swiftshader/i);
    // The token table alone has 16 MB; the tokenizer and the self-test stay in memory too.
    assert.ok(
      memory_bytes < 32e6,
      `the weights went to the card: ${memory_bytes} bytes of wasm memory`,
    );
    assert.equal(info.gpu_refusal, undefined);
    const with_bytes = await askOnce(page, { backend: 'gpu', cacheType: 'q8_0' }, SHORT_PATH);
    assert.equal(with_bytes.info.backend, 'gpu');
    assert.ok(with_bytes.text.length > 0);
  });

  test('is skipped at once where it calls itself a fallback, unless it is asked for', async () => {
    const { info, text } = await askOnce(page, {});
    assert.deepEqual([info.backend, info.gpu_refusal_code], ['cpu', 'gpu_unavailable']);
    assert.match(info.gpu_refusal, /only a program that plays one/);
    assert.match(text, /Paris/);
  });

  test('leaves its work to a faster processor, and is not tried again', async (t) => {
    const site = await siteWith(AS_A_CARD);
    t.after(() => site.stop());
    const { page } = await site.open();
    const first = await askOnce(page, {});
    assert.equal(first.info.backend, 'cpu');
    assert.equal(first.info.gpu_refusal_code, 'gpu_slower');
    assert.match(first.info.gpu_refusal, /faster than the GPU/);
    t.diagnostic(first.info.gpu_refusal);
    assert.match(await page.evaluate(() => Object.keys(localStorage).join()), /^siskin\.gpu\.\d+$/);
    const second = await askOnce(page, {});
    // The figures are those of the first time, so nothing was measured again.
    assert.equal(second.info.gpu_refusal, first.info.gpu_refusal);
    assert.equal(second.info.gpu_refusal_code, 'gpu_slower');
  });

  test('samples as the seed says, and as the processor does', async () => {
    const texts = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      const texts = [];
      for (const backend of ['gpu', 'gpu', 'cpu']) {
        const siskin = await Siskin.load(url, { contextTokens: 256, backend });
        const { choices } = await siskin.chat.completions.create({
          messages: [{ role: 'user', content: 'Hello' }],
          temperature: 0.7,
          seed: 7,
          max_tokens: 8,
        });
        texts.push(choices[0].message.content);
        await siskin.unload();
      }
      return texts;
    }, SHORT_PATH);
    assert.equal(texts[0], texts[1]);
    assert.equal(texts[0].slice(0, 5), texts[2].slice(0, 5));
  });

  test('a stream, which comes once, goes on to the processor', async (t) => {
    const site = await siteWith(AS_A_CARD);
    t.after(() => site.stop());
    const { page } = await site.open();
    const { info, text } = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      const siskin = await Siskin.load(await fetch(url), { contextTokens: 256 });
      const { choices } = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        temperature: 0,
        max_tokens: 8,
      });
      await siskin.unload();
      return { info: siskin.info, text: choices[0].message.content };
    }, URL_PATH);
    assert.deepEqual([info.backend, info.gpu_refusal_code], ['cpu', 'gpu_slower']);
    assert.match(text, /Paris/);
  });

  test('log-probabilities and allowed tokens are those of the processor', async () => {
    const [card, processor] = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      const answers = [];
      for (const backend of ['gpu', 'cpu']) {
        const siskin = await Siskin.load(url, { contextTokens: 256, backend });
        const ask = (more) =>
          siskin.chat.completions.create({
            messages: [{ role: 'user', content: 'Is the sky blue?' }],
            temperature: 0,
            ...more,
          });
        const told = await ask({ max_tokens: 3, logprobs: true, top_logprobs: 5 });
        const labels = ['Yes', 'No', 'Maybe'];
        const ids = await Promise.all(
          labels.map(async (label) => (await siskin.tokenize(label))[0]),
        );
        const chosen = await ask({ max_tokens: 1, allowed_token_ids: ids });
        answers.push({
          content: told.choices[0].logprobs.content,
          label: chosen.choices[0].message.content,
          known: await Promise.all(ids.map((id) => siskin.detokenize([id]))),
        });
        await siskin.unload();
      }
      return answers;
    }, URL_PATH);
    assert.ok(
      card.known.includes(card.label) && card.label === processor.label,
      `${card.label}, ${processor.label}`,
    );
    assert.equal(card.content.length, 3);
    for (const [i, { token, logprob, top_logprobs }] of card.content.entries()) {
      assert.equal(token, processor.content[i].token);
      // The processor rounds activations to 8 bits, which changes the log-probabilities of a model
      // this small by about a tenth (docs/accuracy.md).
      assert.ok(
        Math.abs(logprob - processor.content[i].logprob) < 0.1,
        `${logprob}, ${processor.content[i].logprob}`,
      );
      assert.deepEqual(top_logprobs[0], { token, logprob, bytes: card.content[i].bytes });
      assert.ok(
        top_logprobs.length === 5 &&
          top_logprobs.every((one, k) => k === 0 || one.logprob <= top_logprobs[k - 1].logprob),
      );
    }
  });

  test('a stop leaves no trace', async () => {
    const texts = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      const siskin = await Siskin.load(url, { contextTokens: 256, backend: 'gpu' });
      const ask = (content, stream) =>
        siskin.chat.completions.create({
          messages: [{ role: 'user', content }],
          temperature: 0,
          max_tokens: 10,
          stream,
        });
      const texts = [];
      // The KV cache holds the same beginning both times, because kernels for other lengths round
      // the same numbers differently.
      for (const most of [Infinity, 3]) {
        let count = 0;
        for await (const _ of await ask('Tell me about the sea.', true))
          if (++count === most) break;
        texts.push((await ask('Name three birds.')).choices[0].message.content);
      }
      await siskin.unload();
      return texts;
    }, SHORT_PATH);
    assert.equal(texts[0], texts[1]);
  });
});

describe('the page on the GPU', { timeout: 600_000 }, () => {
  /**
   * Sets the graphics card in the settings, loads, asks and stops, with scripts in the page, which
   * both drivers have.
   */
  const use = async (page) => {
    await page.evaluate(() => {
      document.querySelector('#settings-button').click();
      const backend = document.querySelector('#backend');
      backend.value = 'gpu';
      backend.dispatchEvent(new Event('input', { bubbles: true }));
      document.querySelector('#settings').close();
      [...document.querySelectorAll('input[name=model]')]
        .find((input) => /SmolLM2/.test(input.labels[0].textContent))
        .click();
      document.querySelector('#model-form [type=submit]').click();
    });
    await page.waitForFunction(() => !document.querySelector('#chat').hidden);
    await page.evaluate(() => {
      document.querySelector('#prompt').value = 'Tell me a long story about a small green bird.';
      document.querySelector('#prompt').dispatchEvent(new Event('input', { bubbles: true }));
      document.querySelector('#send').click();
    });
    await page.waitForFunction(
      () => document.querySelector('.assistant.writing .text')?.textContent.length > 10,
    );
    await page.evaluate(() => document.querySelector('#stop').click());
    await page.waitForFunction(() => document.querySelector('.assistant:not(.writing)'));
    return page.evaluate(() => ({
      where: document.querySelector('#where').textContent,
      text: document.querySelector('.assistant .text').textContent,
    }));
  };

  test('in Chromium', { skip: cannotRun(SMOLLM2) }, async (t) => {
    const site = await start({}, { gpu: true });
    t.after(() => site.stop());
    const { page, complaints } = await site.open();
    page.setDefaultTimeout(300_000);
    const { where, text } = await use(page);
    await shoot(page, 'gpu-chromium');
    assert.match(where, /^GPU · google swiftshader$/);
    assert.ok(text.length > 10);
    assert.deepEqual(complaints, []);
  });

  test('in Firefox', { skip: cannotRunFirefox(SMOLLM2) }, async (t) => {
    const site = await start();
    t.after(() => site.stop());
    const { page, stop, complaints } = await openFirefox(`${site.url}/`, { prefs: WEBGPU_PREFS });
    t.after(stop);
    page.setDefaultTimeout(300_000);
    await page.waitForFunction(() => document.querySelector('input[name=model]'));
    const { where, text } = await use(page);
    assert.match(where, /^GPU/);
    assert.ok(text.length > 10);
    assert.deepEqual(complaints, []);
  });
});
