// These tests answer from a server until the model is in the tab: with a real llama.cpp, and with
// servers that fail.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { BadFile } from './helpers/bad_server.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRun, openChromium } from './helpers/harness.mjs';
import { MODEL_PATH, eventually } from './helpers/site.mjs';

const PYTHON = process.env.XLLAMACPP ?? 'xllamacpp';
const KEY = 'sk-siskin-test';

/** This is llama.cpp's own server, on the same model. */
async function startLlama() {
  const child = spawn(
    PYTHON,
    [join(ROOT, 'scripts/bench/native.py'), join(MODELS_DIR, SMOLLM2), '1', '1024', KEY],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  );
  const lines = createInterface(child.stdout);
  for await (const line of lines) {
    if (!line.startsWith('{')) continue;
    return {
      address: JSON.parse(line).address,
      stop: () => (child.stdin.end(), once(child, 'exit')),
    };
  }
  throw new Error('llama.cpp did not start');
}

/**
 * Starts a server with one answer. `requests` holds the requests that came, `closed` counts the
 * connections that the page closed.
 */
async function startFake(answer) {
  const fake = { requests: [], closed: 0 };
  const server = createServer(async (request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Allow-Headers', '*');
    if (request.method === 'OPTIONS') return response.end();
    let body = '';
    for await (const piece of request) body += piece;
    fake.requests.push({
      url: request.url,
      headers: request.headers,
      body: body && JSON.parse(body),
    });
    response.on('close', () => response.writableFinished || (fake.closed += 1));
    return answer(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  fake.url = `http://127.0.0.1:${server.address().port}`;
  fake.stop = () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections()));
  return fake;
}

const stream =
  (...lines) =>
  (response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const line of lines) response.write(`${line}\n\n`);
  };
const chunk = (content, finish_reason = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason }] })}`;
const ended =
  (...lines) =>
  (response) => (stream(...lines)(response), response.end());

describe(
  'fallback',
  {
    skip: cannotRun(SMOLLM2, [PYTHON, './build.sh test installs xllamacpp and sets XLLAMACPP']),
    timeout: 180_000,
  },
  () => {
    let llama, server, model, release, page, stop;
    before(async () => {
      llama = await startLlama();
      const html = (_request, response) =>
        response
          .writeHead(200, { 'Content-Type': 'text/html' })
          .end('<!doctype html><title>App</title>');
      // The model's response is held back until the test releases it.
      const held = async (request, response) => (
        await release.promise,
        model.handler(request, response)
      );
      server = await startServer({ routes: { '/app': html, [MODEL_PATH]: held } });
    });
    after(async () => {
      await server?.close();
      await llama?.stop();
    });
    beforeEach(async () => {
      model = new BadFile(join(MODELS_DIR, SMOLLM2));
      release = {};
      release.promise = new Promise((resolve) => (release.now = resolve));
      ({ page, stop } = await openChromium(`${server.url}/app`));
      await page.evaluate(
        async ({ path, address, key }) => {
          const siskin = await import('/lib/siskin.js');
          window.messages = [{ role: 'user', content: 'What is the capital of France?' }];
          window.load = (fallback, path_given = path, more = {}) =>
            siskin.Siskin.load(path_given, {
              ...more,
              fallback: { baseURL: `${address}/v1`, apiKey: key, model: 'smollm2', ...fallback },
            });
          window.ask = (siskin, more = {}) =>
            siskin.chat.completions.create({ messages, temperature: 0, max_tokens: 24, ...more });
          window.collect = async (chunks) => {
            const all = [];
            for await (const chunk of await chunks) all.push(chunk);
            return all;
          };
          window.failure = (promise) =>
            promise.then(
              () => ({ code: 'no error' }),
              ({ name, code, message }) => ({ name, code, message }),
            );
          window.models = siskin.models;
        },
        { path: MODEL_PATH, address: llama.address, key: KEY },
      );
    });
    afterEach(async () => {
      release.now();
      await stop();
    });

    test('llama.cpp answers at once; between two requests the tab takes over', async (t) => {
      const first = await page.evaluate(async () => {
        const start_ms = performance.now();
        window.siskin = await load({});
        const load_ms = performance.now() - start_ms;
        const info = await failure(Promise.resolve().then(() => siskin.info));
        return {
          load_ms,
          info,
          whole: await ask(siskin),
          chunks: await collect(
            ask(siskin, { stream: true, stream_options: { include_usage: true } }),
          ),
        };
      });
      t.diagnostic(`load resolves after ${first.load_ms.toFixed(1)} ms`);
      assert.ok(first.load_ms < 1000, `${first.load_ms} ms`);
      assert.equal(first.info.code, 'not_loaded');
      const { whole, chunks } = first;
      assert.equal(whole.object, 'chat.completion');
      assert.deepEqual(whole.siskin, { computed: 'fallback' });
      assert.equal(whole.model, 'smollm2');
      assert.ok(whole.choices[0].message.content.length > 0);
      assert.ok(
        whole.usage.prompt_tokens > 5 &&
          whole.usage.completion_tokens > 0 &&
          whole.usage.completion_tokens <= 24,
      );
      assert.ok(whole.timings.prefill_ms > 0);
      const usage_chunk = chunks.pop();
      assert.deepEqual(usage_chunk.choices, []);
      assert.ok(
        chunks.length > 3 &&
          [usage_chunk, ...chunks].every(({ siskin }) => siskin.computed === 'fallback'),
      );
      assert.equal(chunks[0].choices[0].delta.role, 'assistant');
      assert.equal(
        chunks.map(({ choices }) => choices[0].delta.content).join(''),
        whole.choices[0].message.content,
      );
      assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
      assert.ok(chunks.every(({ usage }) => usage === null));
      assert.ok(usage_chunk.usage.completion_tokens > 0);

      // One answer is in progress on the server when the model in the tab becomes ready, and ends
      // on the server.
      const reader = page.evaluate(async () => {
        const chunks = await ask(siskin, { stream: true, max_tokens: 200 });
        const seen = [(await chunks.next()).value];
        window.under_way = true;
        await siskin.ready;
        return [...seen, ...(await collect(chunks))].map(({ siskin }) => siskin.computed);
      });
      await eventually(() => page.evaluate(() => window.under_way), 'the beginning of the answer');
      release.now();
      assert.deepEqual([...new Set(await reader)], ['fallback']);
      const local = await page.evaluate(async () => ({
        whole: await ask(siskin),
        chunks: await collect(ask(siskin, { stream: true })),
        threads: siskin.info.threads,
      }));
      assert.deepEqual(local.whole.siskin, { computed: 'local' });
      assert.ok(local.chunks.every(({ siskin }) => siskin.computed === 'local'));
      // Two engines round differently, so the same model may choose other words.
      assert.ok(local.whole.choices[0].message.content.length > 0);
      assert.ok(local.threads >= 1);
    });

    test('a wrong key, a conversation that is too long', async () => {
      const [refused, long] = await page.evaluate(async () => {
        const wrong = await load({ apiKey: 'sk-wrong' });
        const right = await load({});
        return [
          await failure(ask(wrong)),
          await failure(
            ask(right, { messages: [{ role: 'user', content: 'word '.repeat(4000) }] }),
          ),
        ];
      });
      assert.equal(refused.code, 'http_status');
      assert.match(refused.message, /401.*apiKey/);
      assert.equal(long.code, 'context_full', long.message);
    });

    test('a server that is down; one that is slow can be stopped, and is told', async () => {
      const down = await startFake(() => {});
      await down.stop();
      const refused = await page.evaluate(
        async (baseURL) => failure(ask(await load({ baseURL }))),
        down.url,
      );
      assert.equal(refused.code, 'network');
      assert.match(refused.message, /could not be reached.*baseURL/i);

      for (const answer of [() => {}, stream(chunk('Once'))]) {
        const slow = await startFake(answer);
        const { code, waited_ms } = await page.evaluate(async (baseURL) => {
          const siskin = await load({ baseURL });
          const controller = new AbortController();
          const answer = failure(ask(siskin, { signal: controller.signal }));
          await new Promise((resolve) => setTimeout(resolve, 300));
          const start_ms = performance.now();
          controller.abort();
          return { ...(await answer), waited_ms: performance.now() - start_ms };
        }, slow.url);
        assert.equal(code, 'aborted');
        assert.ok(waited_ms < 200, `${waited_ms} ms`);
        await eventually(() => slow.closed === 1, 'the end of the connection');
        await slow.stop();
      }
    });

    test('leaving the loop ends the connection', async () => {
      const slow = await startFake(stream(chunk('Once'), chunk(' upon')));
      const text = await page.evaluate(async (baseURL) => {
        for await (const { choices } of await ask(await load({ baseURL }), { stream: true }))
          return choices[0].delta.content;
      }, slow.url);
      assert.equal(text, 'Once');
      await eventually(() => slow.closed === 1, 'the end of the connection');
      await slow.stop();
    });

    for (const [name, answer, code] of [
      ['ends too early', ended(chunk('Once')), 'network'],
      [
        'breaks off',
        (response) => (stream(chunk('Once'))(response), setTimeout(() => response.destroy(), 50)),
        'network',
      ],
      [
        'fails in the middle',
        ended(chunk('Once'), 'data: {"error":{"message":"out of patience"}}'),
        'network',
      ],
      ['is not JSON', ended('data: <html>'), 'network'],
      [
        'has a line without an end',
        (response) => (stream()(response), response.write(`data: ${'x'.repeat(3 << 20)}`)),
        'network',
      ],
      [
        'is a page',
        (response) =>
          response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html>'),
        'network',
      ],
      [
        'leads elsewhere',
        (response) => response.writeHead(307, { Location: '/elsewhere' }).end(),
        'network',
      ],
      [
        'is a refusal',
        (response) =>
          response
            .writeHead(400, { 'Content-Type': 'application/json' })
            .end('{"error":{"message":"top_p is too large"}}'),
        'invalid_argument',
      ],
      ['is too busy', (response) => response.writeHead(503).end(), 'http_status'],
    ]) {
      test(`an answer that ${name}: ${code}`, async () => {
        const fake = await startFake(answer);
        const error = await page.evaluate(
          async (baseURL) => failure(ask(await load({ baseURL }))),
          fake.url,
        );
        assert.equal(error.name, 'SiskinError');
        assert.equal(error.code, code);
        assert.match(error.message, /\w+ \w+.*\.$/s);
        assert.equal(fake.requests.length, 1, 'asked once, and nobody else');
        await fake.stop();
      });
    }

    test("what is sent: conversation, OpenAI's fields, the key, nothing of the page", async () => {
      const fake = await startFake(
        ended(
          chunk('Hi'),
          'data: {"choices":[{"delta":{},"finish_reason":"length"}]}',
          'data: [DONE]',
        ),
      );
      const answer = await page.evaluate(async (baseURL) => {
        document.cookie = 'secret=1';
        return ask(await load({ baseURL: `${baseURL}/v1/` }), {
          top_k: 5,
          min_p: 0.1,
          top_p: 0.5,
          seed: 7,
          context_overflow: 'slide',
          logit_bias: { 5: 1 },
        });
      }, fake.url);
      assert.equal(answer.choices[0].message.content, 'Hi');
      assert.equal(answer.choices[0].finish_reason, 'length');
      assert.equal(answer.usage.total_tokens, 0, 'what the server does not tell is not made up');
      const [{ url, headers, body }] = fake.requests;
      assert.equal(url, '/v1/chat/completions');
      assert.deepEqual(body, {
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        max_tokens: 24,
        temperature: 0,
        top_p: 0.5,
        seed: 7,
        model: 'smollm2',
        stream: true,
        stream_options: { include_usage: true },
      });
      assert.equal(headers.authorization, `Bearer ${KEY}`);
      assert.deepEqual([headers.cookie, headers.referer], [undefined, undefined]);
      await fake.stop();
    });

    test("until: 'cached' sends nothing once the weights are stored, 'loaded' does", async () => {
      release.now();
      const fake = await startFake(ended(chunk('Hi', 'stop'), 'data: [DONE]'));
      const computed = (until) =>
        page.evaluate(
          async ({ until, baseURL }) => {
            const siskin = await load({ until, baseURL });
            const answer = await ask(siskin);
            const ready = await failure(siskin.ready);
            await siskin.unload();
            return [answer.siskin.computed, ready.code];
          },
          { until, baseURL: fake.url },
        );
      assert.deepEqual(await computed('never'), ['fallback', 'not_loaded']);
      assert.equal(model.sent_bytes, 0);
      assert.deepEqual(await computed('cached'), ['fallback', 'no error']);
      assert.equal(fake.requests.length, 2);
      assert.deepEqual(await computed('cached'), ['local', 'no error']);
      assert.equal(fake.requests.length, 2, 'the second visit sends nothing');
      assert.deepEqual(await computed('loaded'), ['fallback', 'no error']);
      await fake.stop();
    });

    test('a model that cannot be loaded: the server goes on, and ready says why', async () => {
      const result = await page.evaluate(async () => {
        const siskin = await load({}, '/models/absent.gguf');
        const ready = await failure(siskin.ready);
        const { siskin: where } = await ask(siskin, { max_tokens: 2 });
        const tokens = await failure(siskin.tokenize('x'));
        await siskin.unload();
        return [ready.code, where.computed, tokens.code, (await failure(ask(siskin))).code];
      });
      assert.deepEqual(result, ['http_status', 'fallback', 'http_status', 'not_loaded']);
    });

    test('tools wait for the tab; arguments are checked', async () => {
      const fake = await startFake(() => {});
      const waiting = page.evaluate(async (baseURL) => {
        // The model's own template knows no tools.
        const chatTemplate =
          '{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}' +
          '{% for m in messages %}{{ m.content }}{% endfor %}';
        const siskin = await load({ baseURL }, undefined, { chatTemplate });
        const stopped = new AbortController();
        const tools = [{ type: 'function', function: { name: 'x', parameters: {} } }];
        const aborted = failure(ask(siskin, { tools, signal: stopped.signal }));
        stopped.abort();
        return [(await aborted).code, (await ask(siskin, { tools })).siskin.computed];
      }, fake.url);
      release.now();
      assert.deepEqual(await waiting, ['aborted', 'local']);
      const codes = await page.evaluate(async (baseURL) => {
        const bad = [
          null,
          { baseURL: 'nowhere:x' },
          { baseURL: 'https://me:secret@example.org' },
          { model: '' },
          { apiKey: 'two words' },
          { until: 'tomorrow' },
          { colour: 'green' },
        ];
        const codes = [];
        for (const fallback of bad)
          codes.push(
            (
              await failure(
                fallback
                  ? load(fallback)
                  : (await import('/lib/siskin.js')).Siskin.load('/x.gguf', { fallback }),
              )
            ).code,
          );
        const never = await load({ baseURL, until: 'never' });
        for (const more of [{ messages: [] }, { colour: 'green' }, { tools: [{}] }, { n: 0 }])
          codes.push((await failure(ask(never, more))).code);
        return codes;
      }, fake.url);
      assert.deepEqual(codes, Array(11).fill('invalid_argument'));
      assert.equal(fake.requests.length, 0);
      await fake.stop();
    });
  },
);
