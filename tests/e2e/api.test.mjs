// These tests call the package's API from a page.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  SMOLLM2,
  cannotRun,
  loadToAsk,
  start,
  workerCount,
  workersLeft,
} from './helpers/harness.mjs';

const URL_PATH = `/models/${SMOLLM2}`;

describe('the API', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  let page;
  before(async () => {
    site = await start();
    ({ page } = await site.open());
    // One loaded model serves the tests that do not load their own.
    await loadToAsk(page, URL_PATH);
  });
  after(() => site?.stop());

  test('loads from a URL with progress', async () => {
    const { first, last, count, again, info } = await page.evaluate(async (url) => {
      const seen = [];
      // The model has another URL here, because the one at the first URL is on the device by now.
      const source = new URL(`${url}?fresh`, location.href);
      const siskin = await Siskin.load(source, {
        onProgress: (progress) => seen.push(progress),
        contextTokens: 512,
      });
      await siskin.unload();
      const seen_again = [];
      await (
        await Siskin.load(source, { onProgress: (progress) => seen_again.push(progress) })
      ).unload();
      return {
        first: seen[0],
        last: seen.at(-1),
        count: seen.length,
        again: [seen_again[0], seen_again.at(-1)],
        info: siskin.info,
      };
    }, URL_PATH);
    assert.equal(first.loaded_bytes, 0);
    assert.equal(last.loaded_bytes, 98_362_432);
    assert.equal(last.total_bytes, 98_362_432);
    assert.equal(last.from_cache, false);
    assert.ok(last.bytes_per_second > 0);
    assert.ok(count >= 2 && count < 1000, `${count} reports`);
    assert.deepEqual(
      again.map(({ loaded_bytes, total_bytes, from_cache }) => [
        loaded_bytes,
        total_bytes,
        from_cache,
      ]),
      [
        [0, 98_362_432, true],
        [98_362_432, 98_362_432, true],
      ],
    );
    assert.equal(info.architecture, 'llama');
    assert.equal(info.context_tokens, 512);
    assert.equal(info.slots, 1);
    // 30 layers with 3 key-value heads of 64, keys and values of two bytes each.
    assert.equal(info.kv_cache_bytes, 30 * 3 * 64 * 512 * 2 * 2);
    assert.equal(info.size_bytes, 98_362_432);
    assert.equal(info.backend, 'cpu');
    assert.equal(info.build, info.threads > 1 ? 'threads' : 'relaxed');
    assert.ok(info.has_chat_template);
  });

  for (const [kind, make] of Object.entries({
    Request: 'return new Request(url, { headers: { "X-Test": "1" } })',
    Response: 'return fetch(url)',
    Blob: 'return (await fetch(url)).blob()',
    File: 'return new File([await (await fetch(url)).blob()], "model.gguf")',
    ReadableStream: 'return (await fetch(url)).body',
  })) {
    test(`loads from a ${kind}`, async () => {
      const result = await page.evaluate(
        async ({ make, url }) => {
          const AsyncFunction = (async () => {}).constructor;
          const source = await new AsyncFunction('url', make)(url);
          const siskin = await Siskin.load(source);
          const answer = await siskin.chat.completions.create({
            messages: [{ role: 'user', content: 'Hello' }],
            max_tokens: 3,
            temperature: 0,
          });
          await siskin.unload();
          return answer;
        },
        { make, url: URL_PATH },
      );
      assert.equal(result.usage.completion_tokens, 3);
    });
  }

  test('a load can be aborted', async () => {
    const codes = await page.evaluate(async (url) => {
      const before = new AbortController();
      before.abort();
      const during = new AbortController();
      const stream = new AbortController();
      const body = (await fetch(url)).body;
      return Promise.all([
        codeOf(Siskin.load(url, { signal: before.signal })),
        codeOf(Siskin.load(url, { signal: during.signal, onProgress: () => during.abort() })),
        codeOf(Siskin.load(body, { signal: stream.signal, onProgress: () => stream.abort() })),
      ]);
    }, URL_PATH);
    assert.deepEqual(codes, Array(3).fill('AbortError: aborted'));
  });

  test("a template of the caller takes the place of the file's", async () => {
    const { prompt, expected, has_chat_template, codes } = await page.evaluate(async (url) => {
      const chatTemplate = '{% for m in messages %}<|im_start|>{{ m.content }}!{% endfor %}';
      const siskin = await Siskin.load(url, { chatTemplate });
      const { usage } = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'Hello' }],
        max_tokens: 1,
      });
      const ids = await siskin.tokenize('<|im_start|>Hello!', { special: true });
      await siskin.unload();
      // The template is parsed before anything of the file is looked at.
      const absent = (chatTemplate) => codeOf(Siskin.load(new Blob(['x']), { chatTemplate }));
      return {
        prompt: usage.prompt_tokens,
        expected: ids.length,
        has_chat_template: siskin.info.has_chat_template,
        codes: await Promise.all([absent('{% if %}'), absent(5), absent('{{ x }}')]),
      };
    }, URL_PATH);
    assert.equal(prompt, expected);
    assert.ok(has_chat_template);
    assert.deepEqual(codes, [
      'SiskinError: template',
      'SiskinError: invalid_argument',
      'SiskinError: not_gguf',
    ]);
  });

  test('arguments are checked', async () => {
    const codes = await page.evaluate(
      (url) =>
        Promise.all([
          codeOf(Siskin.load(42)),
          codeOf(Siskin.load('ftp://example.org/model.gguf')),
          codeOf(Siskin.load(url, { contextTokens: 0 })),
          codeOf(Siskin.load(url, { cacheType: 'f32' })),
          codeOf(Siskin.load(url, { threads: 0 })),
          codeOf(Siskin.load(url, { slots: 9 })),
          codeOf(Siskin.load(url, { colour: 'green' })),
          codeOf(Siskin.load(url, { signal: {} })),
          codeOf(Siskin.load(url, { sha256: 'abc' })),
          codeOf(Siskin.load(url, { storage: 'cloud' })),
          codeOf(Siskin.load(url, { evict: 1 })),
          codeOf(Siskin.load(new Blob(['x']), { sha256: '0'.repeat(64) })),
          codeOf(siskin.chat.completions.create()),
          codeOf(siskin.chat.completions.create({})),
          codeOf(siskin.chat.completions.create({ messages: [] })),
          codeOf(ask('Hello', { colour: 'green' })),
          codeOf(ask('Hello', { temperature: -1 })),
          codeOf(ask('Hello', { stop: () => {} })),
          codeOf(ask('Hello', { stream: 'yes' })),
          codeOf(ask('Hello', { temperature: NaN })),
          codeOf(ask('Hello', { seed: 5n })),
          codeOf(ask('Hello', { n: 0 })),
          codeOf(ask('Hello', { response_format: { type: 'yaml' } })),
          codeOf(ask('Hello', { tool_choice: 'required' })),
          codeOf(ask('Hello', { tools: [{ type: 'function', function: { name: 'f' } }] })),
          codeOf(ask(new Date())),
          codeOf(siskin.score([1, 2], { signal: {} })),
          codeOf(siskin.tokenize(7)),
          codeOf(siskin.detokenize([-1])),
          codeOf(siskin.detokenize([4_000_000_000])),
        ]),
      URL_PATH,
    );
    assert.deepEqual(codes, Array(30).fill('SiskinError: invalid_argument'));
  });

  test('answers whole, in the shape of OpenAI', async () => {
    const answer = await page.evaluate(() =>
      ask('What is two plus two?', { max_tokens: 8, model: 'any' }),
    );
    assert.equal(answer.object, 'chat.completion');
    assert.match(answer.id, /^chatcmpl-/);
    assert.ok(Math.abs(answer.created - Date.now() / 1000) < 60);
    const [choice] = answer.choices;
    assert.equal(choice.message.role, 'assistant');
    assert.ok(choice.message.content.length > 0);
    const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
    assert.ok(prompt_tokens > 5);
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
    assert.ok(completion_tokens > 0 && completion_tokens <= 8);
    assert.equal(choice.finish_reason, completion_tokens < 8 ? 'stop' : 'length');
    assert.ok(answer.timings.prefill_ms > 0);
  });

  test('streams the same text in chunks', async () => {
    const { chunks, whole } = await page.evaluate(async () => {
      const chunks = [];
      for await (const chunk of await ask('Name three birds.', {
        stream: true,
        max_tokens: 24,
        stream_options: { include_usage: true },
      }))
        chunks.push(chunk);
      return { chunks, whole: await ask('Name three birds.', { max_tokens: 24 }) };
    });
    const usage_chunk = chunks.pop();
    assert.deepEqual(usage_chunk.choices, []);
    assert.ok(chunks.length > 5, 'several chunks');
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    assert.ok(
      chunks.every(
        (chunk) => chunk.object === 'chat.completion.chunk' && chunk.id === chunks[0].id,
      ),
    );
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.choices[0].finish_reason === null));
    const last = chunks.at(-1);
    assert.equal(last.choices[0].finish_reason, whole.choices[0].finish_reason);
    assert.ok(chunks.every((chunk) => chunk.usage === null));
    assert.equal(usage_chunk.usage.completion_tokens, whole.usage.completion_tokens);
    assert.ok(last.timings.decode_tokens_per_second > 0);
    assert.equal(
      chunks.map((chunk) => chunk.choices[0].delta.content).join(''),
      whole.choices[0].message.content,
    );
  });

  test('a second turn reads only what is new', async () => {
    const { first, second } = await page.evaluate(async () => {
      const messages = [{ role: 'user', content: 'Name a colour.' }];
      const options = { temperature: 0, max_tokens: 8 };
      const first = await siskin.chat.completions.create({ messages, ...options });
      messages.push(first.choices[0].message, { role: 'user', content: 'Another one.' });
      return { first, second: await siskin.chat.completions.create({ messages, ...options }) };
    });
    assert.ok(
      second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens - 1,
      JSON.stringify(second.usage),
    );
  });

  test('stop strings end the answer and are not shown', async () => {
    const { whole, cut } = await page.evaluate(async () => {
      const whole = (await ask('Count from one to ten.', { max_tokens: 30 })).choices[0].message
        .content;
      return {
        whole,
        cut: (await ask('Count from one to ten.', { max_tokens: 30, stop: whole.slice(6, 10) }))
          .choices[0],
      };
    });
    assert.equal(cut.message.content, whole.slice(0, whole.indexOf(whole.slice(6, 10))));
    assert.equal(cut.finish_reason, 'stop');
  });

  // The next request starts only when the model has really stopped, so its start is the proof.
  for (const how of ['signal', 'break', 'return while waiting']) {
    test(`stops within 100 ms: ${how}`, async () => {
      const times = await page.evaluate(async (how) => {
        const times = [];
        for (let attempt = 0; attempt < 3; attempt += 1) {
          const controller = new AbortController();
          const chunks = await ask('Write a very long story.', {
            stream: true,
            max_tokens: 400,
            signal: controller.signal,
          });
          let start_ms = 0;
          let seen = 0;
          if (how === 'return while waiting') {
            while (seen < 5) seen += (await chunks.next()).value.choices[0].delta.content ? 1 : 0;
            const waiting = chunks.next();
            start_ms = performance.now();
            await chunks.return();
            if (!(await waiting).done) throw new Error('the waiting next() went on');
          } else {
            try {
              for await (const chunk of chunks) {
                if (chunk.choices[0].delta.content) seen += 1;
                if (seen < 5) continue;
                start_ms = performance.now();
                if (how === 'break') break;
                controller.abort();
              }
            } catch (error) {
              if (error.code !== 'aborted') throw error;
            }
          }
          await (await ask('Hello', { stream: true, max_tokens: 1 })).return();
          times.push(performance.now() - start_ms);
        }
        return times;
      }, how);
      // The best of three times counts, because other programs share this machine.
      assert.ok(Math.min(...times) < 100, `${times.map(Math.round)} ms`);
    });
  }

  test('a signal beside the request, where OpenAI has it, ends the answer', async () => {
    const codes = await page.evaluate(async () => {
      const request = { messages: [{ role: 'user', content: 'Write a very long story.' }] };
      const create = (signal) => codeOf(siskin.chat.completions.create(request, { signal }));
      const after_5_ms = AbortSignal.timeout(5);
      const codes = [await create(AbortSignal.abort()), await create(after_5_ms)];
      const controller = new AbortController();
      const chunks = await siskin.chat.completions.create(
        { ...request, stream: true },
        { signal: controller.signal },
      );
      await chunks.next();
      controller.abort();
      const drain = async () => {
        for await (const _ of chunks);
      };
      codes.push(await codeOf(drain()));
      const ids = await siskin.tokenize('A long text. '.repeat(60));
      codes.push(await codeOf(siskin.score(ids, { signal: AbortSignal.abort() })));
      codes.push(await codeOf(siskin.score(ids, { signal: AbortSignal.timeout(5) })));
      await ask('Hello', { max_tokens: 1 });
      return codes;
    });
    assert.deepEqual(codes, Array(5).fill('AbortError: aborted'));
  });

  test('a signal stops a long score between two chunks', async (t) => {
    const { whole_ms, stopped_ms, code, text } = await page.evaluate(async () => {
      const ids = (await siskin.tokenize('A long text, and then some. '.repeat(400))).slice(
        0,
        1500,
      );
      const timed = async (run) => {
        const start_ms = performance.now();
        await run();
        return performance.now() - start_ms;
      };
      const whole_ms = await timed(() => siskin.score(ids));
      let code;
      const stopped_ms = await timed(async () => {
        code = await codeOf(siskin.score(ids, { signal: AbortSignal.timeout(5) }));
        // It has its turn when the score has ended.
        await siskin.tokenize('x');
      });
      const { choices } = await ask('Hello', { max_tokens: 3 });
      return { whole_ms, stopped_ms, code, text: choices[0].message.content };
    });
    t.diagnostic(`${Math.round(stopped_ms)} ms of ${Math.round(whole_ms)} ms`);
    assert.equal(code, 'AbortError: aborted');
    // A chunk has 64 of the 1,500 tokens.
    assert.ok(stopped_ms < whole_ms / 4, `${stopped_ms} of ${whole_ms} ms`);
    assert.ok(text.length > 0);
  });

  test('fields of OpenAI that change nothing are taken', async () => {
    const { plain, other } = await page.evaluate(async () => ({
      plain: await ask('Hello', { max_tokens: 3 }),
      other: await ask('Hello', {
        max_completion_tokens: 3,
        n: 1,
        user: 'u-1',
        store: false,
        metadata: { page: 'start' },
        service_tier: 'auto',
        parallel_tool_calls: true,
        response_format: { type: 'text' },
        tool_choice: 'none',
        tools: [{ type: 'function', function: { name: 'f' } }],
        stop: null,
      }),
    }));
    assert.deepEqual(other.choices, plain.choices);
    assert.equal(other.usage.prompt_tokens, plain.usage.prompt_tokens);
    assert.equal(other.usage.completion_tokens, 3);
  });

  test('half a surrogate pair is read as U+FFFD', async () => {
    const { half, replaced } = await page.evaluate(async () => ({
      half: await ask('Hello \ud83d', { max_tokens: 3, stop: '\ude00' }),
      replaced: await ask('Hello \ufffd', { max_tokens: 3, stop: '\ufffd' }),
    }));
    assert.deepEqual(half.choices, replaced.choices);
    assert.equal(half.usage.prompt_tokens, replaced.usage.prompt_tokens);
  });

  test('requests queue in order, and one in the queue can be aborted', async () => {
    const { order, code } = await page.evaluate(async () => {
      const order = [];
      const controller = new AbortController();
      const first = ask('Count to five.', { max_tokens: 12 }).then(() => order.push('first'));
      const dropped = codeOf(ask('Never', { signal: controller.signal }));
      const second = ask('Hello', { max_tokens: 2 }).then(() => order.push('second'));
      controller.abort();
      const code = await dropped;
      order.push('dropped');
      await Promise.all([first, second]);
      return { order, code };
    });
    assert.equal(code, 'AbortError: aborted');
    assert.deepEqual(order, ['dropped', 'first', 'second']);
  });

  test('tokens go there and back, also while an answer is written', async () => {
    const result = await page.evaluate(async () => {
      const texts = [
        'Hello, world!',
        '  two  spaces\n\n\ttab',
        'naïve café',
        '日本語の文',
        '👩‍👩‍👧 family',
        '<|im_end|>',
        '',
      ];
      const chunks = await ask('Write a long story.', { stream: true, max_tokens: 200 });
      await chunks.next();
      const back = [];
      for (const text of texts) back.push(await siskin.detokenize(await siskin.tokenize(text)));
      await chunks.return();
      const plain = await siskin.tokenize('<|im_end|>');
      const special = await siskin.tokenize('<|im_end|>', { special: true });
      return {
        texts,
        back,
        plain: plain.length,
        special: special.length,
        kind: plain.constructor.name,
      };
    });
    assert.deepEqual(result.back, result.texts);
    assert.equal(result.kind, 'Uint32Array');
    assert.equal(result.special, 1);
    assert.ok(result.plain > 1, 'text is not a control token');
  });

  test('the page stays smooth while the model writes', async () => {
    const longest_ms = await page.evaluate(async () => {
      const answer = ask('Write a story.', { max_tokens: 40 });
      let done = false;
      answer.finally(() => (done = true));
      let longest_ms = 0;
      for (let last_ms = performance.now(); !done;) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        const now_ms = performance.now();
        longest_ms = Math.max(longest_ms, now_ms - last_ms);
        last_ms = now_ms;
      }
      await answer;
      return longest_ms;
    });
    assert.ok(longest_ms < 250, `the page was blocked for ${Math.round(longest_ms)} ms`);
  });

  test('unload ends what is open and frees the worker', async () => {
    const workers = await workerCount(page);
    const codes = await page.evaluate(async (url) => {
      const siskin = await Siskin.load(url);
      const memory_bytes = await siskin.memoryBytes();
      if (!(memory_bytes > 50_000_000)) throw new Error(`memory ${memory_bytes}`);
      const open = codeOf(
        siskin.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }] }),
      );
      await siskin.unload();
      await siskin.unload();
      return [
        await open,
        await codeOf(siskin.tokenize('x')),
        await codeOf(siskin.chat.completions.create({ messages: [] })),
      ];
    }, URL_PATH);
    assert.deepEqual(codes, [
      'AbortError: aborted',
      'SiskinError: not_loaded',
      'SiskinError: not_loaded',
    ]);
    assert.equal(
      await workersLeft(page, workers),
      workers,
      'only the shared model still has a worker',
    );
  });

  test('writes allowed tokens alone', async () => {
    const { labels, said, codes } = await page.evaluate(async () => {
      const labels = await Promise.all(
        [' red', ' green'].map(async (label) => (await siskin.tokenize(label))[0]),
      );
      const answer = await ask('Name a colour.', { max_tokens: 4, allowed_token_ids: labels });
      const code = (ids) => codeOf(ask('Hello', { allowed_token_ids: ids }));
      return {
        labels: labels.length,
        said: answer.choices[0].message.content,
        codes: [await code([]), await code([1e6]), await code('red')],
      };
    });
    assert.equal(labels, 2);
    assert.match(said, /^(?: red| green){4}$/);
    assert.deepEqual(codes, Array(3).fill('SiskinError: invalid_argument'));
  });

  test('tells how likely each token was', async () => {
    const { whole, streamed } = await page.evaluate(async () => {
      const whole = (await ask('Hello', { max_tokens: 3, logprobs: true, top_logprobs: 5 }))
        .choices[0];
      const streamed = [];
      for await (const { choices } of await ask('Hello', {
        max_tokens: 3,
        logprobs: true,
        top_logprobs: 5,
        stream: true,
      }))
        streamed.push(...(choices[0].logprobs?.content ?? []));
      return { whole, streamed };
    });
    assert.deepEqual(streamed, whole.logprobs.content);
    assert.equal(whole.logprobs.content.length, 3);
    assert.equal(whole.logprobs.content.map(({ token }) => token).join(''), whole.message.content);
    for (const { token, logprob, bytes, top_logprobs } of whole.logprobs.content) {
      assert.equal(Buffer.from(bytes).toString(), token);
      assert.equal(top_logprobs.length, 5);
      // Greedy sampling takes the most likely token.
      assert.deepEqual(top_logprobs[0], { token, logprob, bytes });
      const mass = top_logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
      assert.ok(logprob < 0 && mass > 0.05 && mass <= 1.0001);
    }
  });
});

test('a signal stops a score that runs, and the next call has its turn', async () => {
  const engine = fileURLToPath(new URL('./pages/endless_score.js', import.meta.url));
  const site = await start(
    Object.fromEntries(
      ['simd', 'relaxed', 'threads'].map((build) => [`/src/wasm/siskin_${build}.js`, engine]),
    ),
  );
  try {
    const { page } = await site.open();
    const { codes, ids, left } = await page.evaluate(async () => {
      const { Siskin } = await import('/src/siskin.js');
      const siskin = await Siskin.load(new Blob(['x']));
      const codeOf = (promise) => promise.catch(({ code }) => code);
      const codes = [
        await codeOf(siskin.score([1], { signal: AbortSignal.timeout(5) })),
        await codeOf(siskin.score([1], { signal: AbortSignal.timeout(5) })),
      ];
      // It waits behind both scores.
      const waiting = siskin.tokenize('ab');
      const late = new Promise((resolve) => setTimeout(resolve, 5000, 'still waiting'));
      const ids = await Promise.race([waiting.then((ids) => [...ids]), late]);
      const last = codeOf(siskin.score([1]));
      await new Promise((resolve) => setTimeout(resolve, 100));
      await siskin.unload();
      return { codes, ids, left: await last };
    });
    assert.deepEqual([codes, ids, left], [['aborted', 'aborted'], [97, 98], 'aborted']);
    const start_ms = Date.now();
    assert.equal(await workersLeft(page, 0), 0);
    // A worker that is stuck is ended after 2 seconds.
    assert.ok(Date.now() - start_ms < 1500, 'unloading stops a score');
  } finally {
    await site.stop();
  }
});
