// These tests give the engine a graphics card with a fault, which SwiftShader in Chromium and lavapipe
// in Firefox play: every fault ends on a simpler kernel, or on the processor.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { WEBGPU_PREFS, cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';
import {
  ADAPTER,
  AS_A_CARD,
  LETTERS,
  TINY_PATH,
  askOnce,
  script,
  siteWith,
  withShaders,
} from './helpers/gpu.mjs';
import { MODELS_DIR, SMOLLM2, cannotRun, start, workersLeft } from './helpers/harness.mjs';

describe('a GPU that is lost', { skip: cannotRun(SMOLLM2) }, () => {
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
    const { texts, seen, backends, first, info } = await page.evaluate(
      async ({ url, letters }) => {
        const { Siskin } = await import('/src/siskin.js');
        const options = { contextTokens: 256, backend: 'gpu', threads: 3 };
        const siskin = await Siskin.load(url, options);
        const first = siskin.info;
        const [lost, wait] = ['lose', 'wait'].map((name) => new BroadcastChannel(name));
        const backends = [];
        const texts = [];
        const seen = [];
        // It is lost once, and an hour later four times within a minute.
        for (const lose of ['', 'now', 'later', 'now', 'now', 'now']) {
          if (lose === 'later') wait.postMessage(3_600_000);
          let text = '';
          let count = 0;
          const request = {
            messages: [{ role: 'user', content: 'What is the capital of France?' }],
            temperature: 0,
            max_tokens: 8,
            allowed_token_ids: letters,
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
      },
      { url: TINY_PATH, letters: LETTERS },
    );
    for (const text of texts) assert.ok(text.length > 0);
    // Tokens that were decoded one by one are now read in one prefill, or by the processor, which
    // rounds activations: where two words are equally likely, the answer may continue with the
    // other one. The text that was written stays.
    for (let i = 1; i < texts.length; i++)
      assert.ok(
        seen[i].length > 0 && texts[i].startsWith(seen[i]) && texts[i].length > seen[i].length,
        `${seen[i]} | ${texts[i]}`,
      );
    assert.deepEqual(backends, [...Array(5).fill('gpu'), 'cpu']);
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
    }, TINY_PATH);
    assert.deepEqual(codes, ['worker_failed', 'worker_failed', 'worker_failed']);
  });
});

describe('a GPU that hangs', { skip: cannotRun(SMOLLM2) }, () => {
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
    const { text, seen, info } = await page.evaluate(
      async ({ url, letters }) => {
        const { Siskin } = await import('/src/siskin.js');
        const siskin = await Siskin.load(url, { contextTokens: 256, backend: 'gpu' });
        const request = {
          messages: [{ role: 'user', content: 'What is the capital of France?' }],
          temperature: 0,
          max_tokens: 24,
          allowed_token_ids: letters,
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
      },
      { url: TINY_PATH, letters: LETTERS },
    );
    assert.ok(text.startsWith(seen) && text.length > seen.length, `${seen} | ${text}`);
    assert.deepEqual([info.backend, info.gpu_refusal_code], ['cpu', 'gpu_lost']);
    // SwiftShader is a processor that plays a card, which has ten times as long as one.
    assert.match(info.gpu_refusal, /did not answer for 300000 ms/);
  });
});

const SUBGROUPS = 'subgroups';
const PACKED = 'packed_4x8_integer_dot_product';

/** Loads the model onto the card, and returns the features that shaders use. */
async function featuresOnCard(page) {
  const { text, info } = await askOnce(page, { backend: 'gpu' }, TINY_PATH);
  assert.ok(text.length > 0);
  assert.deepEqual([info.backend, info.gpu_refusal], ['gpu', undefined]);
  return info.gpu_features;
}

describe('a bad GPU ends on the processor, which says why', { skip: cannotRun(SMOLLM2) }, () => {
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
    // Dots of bytes that are wrong are done without in the next test.
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
        '/src/engine/adapter.js': script(`${ADAPTER}\n${BAD['no memory for the weights'].code}`),
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
    const { text, info } = await askOnce(page, { backend: 'gpu' }, TINY_PATH);
    assert.ok(text.length > 0);
    assert.equal(info.backend, 'gpu');
  });
});
