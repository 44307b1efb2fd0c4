// These tests use the graphics card in Chromium, where SwiftShader stands in for one: it answers
// correctly, and every error of the card ends on the processor.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WEBGPU_PREFS, cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';
import { setLayerCount } from './helpers/gguf.mjs';
import {
  MODELS_DIR,
  ROOT,
  SMOLLM2,
  cannotRun,
  shoot,
  start,
  workersLeft,
} from './helpers/harness.mjs';

const URL_PATH = `/models/${SMOLLM2}`;
/**
 * Serves two of the model's thirty layers to tests that need no whole model: SwiftShader takes
 * seconds for a token of all layers.
 */
const SHORT_PATH = '/short.gguf';
const SHORT = async (request, response) =>
  response.writeHead(200).end(setLayerCount(await readFile(join(MODELS_DIR, SMOLLM2)), 2));
const ENGINE = join(ROOT, 'www/lib/engine');
const LIBRARY = readFileSync(join(ENGINE, 'adapter.js'), 'utf8');
const script = (code) => (request, response) =>
  response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(code);

/**
 * Starts a site whose worker runs `code` before it looks for a card.
 *
 * @param {string} code
 * @param {string} [strategy] options of `Engine.on_gpu`, so that what is tested is in use
 */
const siteWith = (code, strategy = '') =>
  start(
    {
      [SHORT_PATH]: SHORT,
      '/src/engine/adapter.js': script(`${LIBRARY}\n${code}`),
      '/src/engine/backend.js': script(withStrategy(strategy)),
    },
    { gpu: true },
  );

/** Returns the text of backend.js, with `strategy` among the options of the card. */
function withStrategy(strategy) {
  const text = readFileSync(join(ENGINE, 'backend.js'), 'utf8');
  const [options, others] = text.split('cache_type: message.cache_type,');
  assert.ok(others, 'the options of the card are found');
  return `${options}cache_type: message.cache_type, ${strategy} ${others}`;
}

/** Makes SwiftShader look like a card, because `backend: "auto"` skips fallback adapters. */
const AS_A_CARD = `
  Object.defineProperties(GPUAdapterInfo.prototype, {
    isFallbackAdapter: { get: () => false },
    architecture: { get: () => 'card' },
  });`;

/** Loads the model, asks for the capital of France, and returns what happened. */
const askOnce = (page, options, url = URL_PATH) =>
  page.evaluate(
    async ({ url, options }) => {
      const { Siskin } = await import('/src/siskin.js');
      const siskin = await Siskin.load(url, { contextTokens: 256, ...options });
      const { choices } = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        temperature: 0,
        max_tokens: 8,
      });
      const memory_bytes = await siskin.memoryBytes();
      await siskin.unload();
      return { text: choices[0].message.content, info: siskin.info, memory_bytes };
    },
    { url, options },
  );

describe('the GPU in Chromium', { skip: cannotRun(SMOLLM2), timeout: 600_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start({ [SHORT_PATH]: SHORT }, { gpu: true });
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

describe('a GPU that is lost', { skip: cannotRun(SMOLLM2), timeout: 600_000 }, () => {
  // The code counts the devices, and destroys the last one on demand.
  const CODE = `
    const devices = [];
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...options) {
      const device = await requestDevice.apply(this, options);
      devices.push(device);
      return device;
    };
    new BroadcastChannel('lose').onmessage = () => devices.at(-1).destroy();
    const now = performance.now.bind(performance);
    let later_ms = 0;
    performance.now = () => now() + later_ms;
    new BroadcastChannel('wait').onmessage = ({ data }) => (later_ms += data);`;

  test('is restarted three times, anew after an hour, then the threads continue', async (t) => {
    const site = await siteWith(CODE);
    t.after(() => site.stop());
    const { page } = await site.open();
    page.setDefaultTimeout(300_000);
    const { texts, seen, backends, first, info } = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      const options = { contextTokens: 256, backend: 'gpu', threads: 3 };
      const siskin = await Siskin.load(url, options);
      const first = siskin.info;
      const [lost, wait] = ['lose', 'wait'].map((name) => new BroadcastChannel(name));
      const backends = [];
      const texts = [];
      const seen = [];
      // It is lost twice within a minute, and an hour later four times.
      for (const lose of ['', 'now', 'now', 'later', 'now', 'now', 'now']) {
        if (lose === 'later') wait.postMessage(3_600_000);
        let text = '';
        let count = 0;
        const request = {
          messages: [{ role: 'user', content: 'What is the capital of France?' }],
          temperature: 0,
          max_tokens: 8,
          stream: true,
        };
        for await (const { choices } of await siskin.chat.completions.create(request)) {
          text += choices[0].delta.content ?? '';
          if (++count !== 5) continue;
          seen.push(text);
          if (lose) lost.postMessage('now');
        }
        texts.push(text);
        backends.push(siskin.info.backend);
      }
      const { info } = siskin;
      await siskin.unload();
      return { texts, seen, backends, first, info };
    }, SHORT_PATH);
    for (const text of texts) assert.ok(text.length > 0);
    // Tokens that were decoded one by one are now read in one prefill, or by the processor, which
    // rounds activations: where two words are equally likely, the answer may continue with the
    // other one. The text that was written stays.
    for (let i = 1; i < texts.length; i++)
      assert.ok(
        seen[i].length > 0 && texts[i].startsWith(seen[i]) && texts[i].length > seen[i].length,
        `${seen[i]} | ${texts[i]}`,
      );
    assert.deepEqual(backends, [...Array(6).fill('gpu'), 'cpu']);
    assert.deepEqual(
      [first.build, first.threads, first.gpu_refusal_code],
      ['threads', 1, undefined],
    );
    assert.ok(first.gpu_features.includes('subgroups'));
    // The processor takes over on the threads that it would have had.
    assert.deepEqual([info.build, info.threads, info.gpu_refusal_code], ['threads', 3, 'gpu_lost']);
    assert.equal(info.gpu_features, undefined);
    assert.equal(await workersLeft(page, 0), 0);
  });

  test('and cannot be loaded again: calls fail, and do not wait', async (t) => {
    const site = await siteWith(CODE);
    t.after(() => site.stop());
    const { page } = await site.open();
    page.setDefaultTimeout(300_000);
    const codes = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      // A stream cannot be read a second time.
      const siskin = await Siskin.load(await fetch(url), { contextTokens: 256, backend: 'gpu' });
      const codeOf = (promise) =>
        promise.then(
          () => 'no error',
          ({ code }) => code,
        );
      new BroadcastChannel('lose').postMessage('now');
      const ask = () =>
        codeOf(
          siskin.chat.completions.create({
            messages: [{ role: 'user', content: 'Hello' }],
            max_tokens: 3,
          }),
        );
      const codes = [await ask(), await ask(), await codeOf(siskin.tokenize('x'))];
      await siskin.unload();
      return codes;
    }, SHORT_PATH);
    assert.deepEqual(codes, ['worker_failed', 'worker_failed', 'worker_failed']);
  });
});

describe('a GPU that hangs', { skip: cannotRun(SMOLLM2), timeout: 600_000 }, () => {
  test('is lost after a while, and the processor continues', async (t) => {
    const site = await siteWith(`
      let hangs = false;
      new BroadcastChannel('hang').onmessage = () => (hangs = true);
      for (const [{ prototype }, name] of [
        [GPUBuffer, 'mapAsync'],
        [GPUQueue, 'onSubmittedWorkDone'],
      ]) {
        const call = prototype[name];
        prototype[name] = function (...options) {
          return hangs ? new Promise(() => {}) : call.apply(this, options);
        };
      }
      // The 300 seconds of an adapter that a processor plays are over in three.
      const { setTimeout: wait } = globalThis;
      globalThis.setTimeout = (call, ms, ...rest) => wait(call, hangs ? ms / 100 : ms, ...rest);`);
    t.after(() => site.stop());
    const { page } = await site.open();
    page.setDefaultTimeout(300_000);
    const { text, seen, info } = await page.evaluate(async (url) => {
      const { Siskin } = await import('/src/siskin.js');
      const siskin = await Siskin.load(url, { contextTokens: 256, backend: 'gpu' });
      const request = {
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        temperature: 0,
        max_tokens: 24,
        stream: true,
      };
      let text = '';
      let seen;
      for await (const { choices } of await siskin.chat.completions.create(request)) {
        text += choices[0].delta.content ?? '';
        if (text === '' || seen !== undefined) continue;
        seen = text;
        new BroadcastChannel('hang').postMessage('now');
      }
      await siskin.unload();
      return { text, seen, info: siskin.info };
    }, SHORT_PATH);
    assert.ok(text.startsWith(seen) && text.length > seen.length, `${seen} | ${text}`);
    assert.deepEqual([info.backend, info.gpu_refusal_code], ['cpu', 'gpu_lost']);
    // SwiftShader is a processor that plays a card, which has ten times as long as one.
    assert.match(info.gpu_refusal, /did not answer for 300000 ms/);
  });
});

/** Returns code after which shaders have `to` in place of `from`. */
const withShaders = (from, to) => `
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    const code = descriptor.code.replace(${JSON.stringify(from)}, ${JSON.stringify(to)});
    return createShaderModule.call(this, { ...descriptor, code });
  };`;

const SUBGROUPS = 'subgroups';
const PACKED = 'packed_4x8_integer_dot_product';

/** Loads the model onto the card, and returns the features that shaders use. */
async function featuresOnCard(page) {
  const { text, info } = await askOnce(page, { backend: 'gpu' }, SHORT_PATH);
  assert.ok(text.length > 0);
  assert.deepEqual([info.backend, info.gpu_refusal], ['gpu', undefined]);
  return info.gpu_features;
}

/**
 * Returns code that makes SwiftShader look like a fast card to whoever looks at the clock: a
 * submission takes 15 ms, and each of its dispatches `dispatch_ms`.
 *
 * @param {object} odd
 * @param {number} [odd.step_ms] of the clock
 * @param {number} [odd.hitch_ms] how much longer one submission in each three takes
 */
const asAFastCard = ({ step_ms = 0, hitch_ms = 0 }) => `${AS_A_CARD}
  // A card has 30 seconds for a submission, a processor that plays one ten times as long.
  const { setTimeout: wait } = globalThis;
  globalThis.setTimeout = (call, ms, ...rest) => wait(call, ms >= 1000 ? 10 * ms : ms, ...rest);
  const now = performance.now.bind(performance);
  let [saved_ms, cost_ms, submits, start_ms] = [0, 0, 0, undefined];
  performance.now = () => {
    const ms = now() - saved_ms;
    return ${step_ms} > 0 ? Math.floor(ms / ${step_ms}) * ${step_ms} : ms;
  };
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...counts) {
    cost_ms += 0.005;
    return dispatchWorkgroups.apply(this, counts);
  };
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (buffers) {
    if ([...buffers].length > 0) {
      start_ms ??= now();
      cost_ms += 15 + (++submits % 3 === 0 ? ${hitch_ms} : 0);
    }
    return submit.call(this, buffers);
  };
  for (const [{ prototype }, name] of [
    [GPUBuffer, 'mapAsync'],
    [GPUQueue, 'onSubmittedWorkDone'],
  ]) {
    const call = prototype[name];
    prototype[name] = async function (...options) {
      await call.apply(this, options);
      if (start_ms === undefined) return;
      saved_ms += now() - start_ms - cost_ms;
      [start_ms, cost_ms] = [undefined, 0];
    };
  }`;

describe('a GPU that is faster', { skip: cannotRun(SMOLLM2), timeout: 600_000 }, () => {
  for (const [name, odd] of [
    ['computes though one sample in three is slow', { hitch_ms: 500 }],
    ['computes where the timer is coarse', { step_ms: 1 }],
  ])
    test(name, async (t) => {
      const site = await siteWith(asAFastCard(odd));
      t.after(() => site.stop());
      const { page } = await site.open();
      page.setDefaultTimeout(300_000);
      const { text, info } = await askOnce(page, {}, SHORT_PATH);
      assert.ok(text.length > 0);
      assert.deepEqual([info.gpu_refusal, info.backend], [undefined, 'gpu']);
    });
});

describe(
  'a bad GPU ends on the processor, which says why',
  { skip: cannotRun(SMOLLM2), timeout: 600_000 },
  () => {
    const BAD = {
      'no adapter': {
        code: 'navigator.gpu.requestAdapter = async () => null;',
        because: /offers no graphics card/,
        refusal: 'gpu_unavailable',
      },
      'an adapter that throws': {
        code: 'navigator.gpu.requestAdapter = async () => { throw new Error("asleep"); };',
        because: /asleep/,
        refusal: 'gpu_unavailable',
      },
      'no device': {
        code: `GPUAdapter.prototype.requestDevice = async () => {
          throw new DOMException("none today", "OperationError");
        };`,
        because: /cannot be used/,
        refusal: 'gpu_unavailable',
      },
      'a kernel that returns garbage': {
        code: withShaders('x / (1.0 + exp(-x))', '7.0 * x / (1.0 + exp(-x))'),
        because: /computes wrong numbers/,
        refusal: 'gpu_refused',
      },
      // In attention, an iteration of a loop forgets what the one before left.
      'a kernel that is wrong from its second turn on': {
        code: withShaders('sums[h * TURNS + t] += scores', 'sums[h * TURNS + t] = scores'),
        because: /computes wrong numbers/,
        refusal: 'gpu_refused',
      },
      'no memory for the weights': {
        code: `
        let weights = 0;
        for (const name of ['createBuffer', 'createTexture']) {
          const create = GPUDevice.prototype[name];
          GPUDevice.prototype[name] = function (descriptor) {
            if (descriptor.label === 'weight' && ++weights === 5) {
              const error = new GPUOutOfMemoryError('full');
              this.dispatchEvent(new GPUUncapturedErrorEvent('uncapturederror', { error }));
            }
            return create.call(this, descriptor);
          };
        }`,
        because: /no memory left/,
        refusal: 'gpu_out_of_memory',
      },
    };
    for (const [name, { code, because, refusal }] of Object.entries(BAD)) {
      test(name, async (t) => {
        const site = await siteWith(AS_A_CARD + code);
        t.after(() => site.stop());
        const { page } = await site.open();
        const { text, info } = await askOnce(page, {});
        assert.ok(text.length > 3, text);
        assert.equal(info.backend, 'cpu');
        assert.match(info.gpu_refusal, because);
        assert.equal(info.gpu_refusal_code, refusal);
      });
    }

    test('a feature whose kernels are wrong is done without, and no other', async (t) => {
      const featuresWith = async (code, strategy) => {
        const site = await siteWith(code, strategy);
        t.after(() => site.stop());
        const { page } = await site.open();
        page.setDefaultTimeout(300_000);
        return featuresOnCard(page);
      };
      const all = await featuresWith('', 'int8_dot: true,');
      t.diagnostic(all.join());
      // SwiftShader has no f16.
      assert.deepEqual(all, [SUBGROUPS, PACKED]);
      for (const to of ['0.5 * subgroupAdd(sum)', 'subgroupSum(sum)'])
        assert.deepEqual(await featuresWith(withShaders('subgroupAdd(sum)', to)), [PACKED]);
      const wrong_dots = withShaders('128 * four_words(q.first', '64 * four_words(q.first');
      assert.deepEqual(await featuresWith(wrong_dots, 'int8_dot: true,'), [SUBGROUPS]);
      const no_dots = withShaders('dot4I8Packed(a.x', 'dot4I8Unpacked(a.x');
      assert.deepEqual(await featuresWith(no_dots), [SUBGROUPS]);
    });

    test('the features that work are remembered, and the next visit begins there', async (t) => {
      const site = await siteWith(
        `${withShaders('128 * four_words(q.first', '64 * four_words(q.first')}
        const { createShaderModule: create } = GPUDevice.prototype;
        const channel = new BroadcastChannel('shaders');
        GPUDevice.prototype.createShaderModule = function (descriptor) {
          channel.postMessage(descriptor.code.includes('dot4I8Packed('));
          return create.call(this, descriptor);
        };`,
        'int8_dot: true,',
      );
      t.after(() => site.stop());
      const { page } = await site.open();
      page.setDefaultTimeout(300_000);
      await page.evaluate(() => {
        window.shaders = [];
        new BroadcastChannel('shaders').onmessage = ({ data }) => window.shaders.push(data);
      });
      /** Returns how many shaders with dots of bytes were made, and how many others. */
      const visit = async () => {
        await page.evaluate(() => window.shaders.splice(0));
        assert.deepEqual(await featuresOnCard(page), [SUBGROUPS]);
        const shaders = await page.evaluate(() => window.shaders);
        return [true, false].map((has) => shaders.filter((is) => is === has).length);
      };
      const first = await visit();
      assert.ok(first[0] > 0, 'dots of bytes are tried');
      const second = await visit();
      t.diagnostic(`${first} shaders, then ${second}`);
      assert.equal(second[0], 0, 'they are known to be wrong');
      assert.ok(second[1] > 0, 'the others are tested');
      await page.evaluate(async () => (await import('/src/siskin.js')).Siskin.forgetGpu());
      assert.deepEqual(await visit(), first);
    });

    test(
      'f16 that is wrong is done without in Firefox',
      { skip: cannotRunFirefox(SMOLLM2) },
      async (t) => {
        // lavapipe has f16, and Firefox no subgroups.
        for (const [from, to] of [
          ['largest[token] * a,', '1.5 * largest[token] * a,'],
          ['alias Four = vec4<f16>;', 'alias Four = vec4<f61>;'],
        ]) {
          const site = await siteWith(withShaders(from, to), 'f16_tiles: true,');
          t.after(() => site.stop());
          const { page, stop } = await openFirefox(`${site.url}/`, { prefs: WEBGPU_PREFS });
          t.after(stop);
          page.setDefaultTimeout(300_000);
          const left = await featuresOnCard(page);
          t.diagnostic(left.join());
          assert.ok(!left.includes('shader-f16'), 'without f16');
          // The next visit begins there.
          assert.deepEqual(await featuresOnCard(page), left);
        }
      },
    );

    test('what does not fit is told before it is fetched', async (t) => {
      const file = await readFile(join(MODELS_DIR, SMOLLM2));
      const site = await start(
        {
          '/begun.gguf': (request, response) =>
            response.writeHead(200, { 'Content-Length': file.length }).write(file.subarray(0, 4e6)),
          '/src/engine/adapter.js': (request, response) =>
            response
              .writeHead(200, { 'Content-Type': 'text/javascript' })
              .end(`${LIBRARY}\n${BAD['no memory for the weights'].code}`),
        },
        { gpu: true },
      );
      t.after(() => site.stop());
      const { page } = await site.open();
      const code = await page.evaluate(async () => {
        const { Siskin } = await import('/src/siskin.js');
        // A stream is pushed as it comes, not in parts of a file.
        const response = await fetch('/begun.gguf');
        return Siskin.load(response, { contextTokens: 256, backend: 'gpu' }).then(
          () => 'loaded',
          ({ code }) => code,
        );
      });
      assert.equal(code, 'gpu_out_of_memory');
    });

    test('features that are a lie are done without', async (t) => {
      const site = await siteWith(`
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = function (descriptor) {
        if ([...(descriptor?.requiredFeatures ?? [])].length > 0)
          return Promise.reject(new TypeError('not supported'));
        return requestDevice.call(this, descriptor);
      };`);
      t.after(() => site.stop());
      const { page } = await site.open();
      page.setDefaultTimeout(300_000);
      const { text, info } = await askOnce(page, { backend: 'gpu' }, SHORT_PATH);
      assert.ok(text.length > 0);
      assert.equal(info.backend, 'gpu');
    });
  },
);

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
        .find((input) => /SmolLM2/.test(input.closest('label').textContent))
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
