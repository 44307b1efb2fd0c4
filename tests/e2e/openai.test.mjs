// These tests run OpenAI's own client, unmodified, on a model in the page.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FIELDS } from '../../www/lib/chat/request.js';
import { SMOLLM2, cannotRun, start } from './helpers/harness.mjs';
import { OPENAI, openaiRoutes } from './helpers/openai.mjs';

describe("OpenAI's client", { skip: cannotRun(SMOLLM2, OPENAI) }, () => {
  let site;
  let page;
  const requests = [];
  before(async () => {
    site = await start(openaiRoutes);
    ({ page } = await site.open());
    await page.evaluate(async (url) => {
      const [{ Siskin }, client] = await Promise.all([
        import('/lib/siskin.js'),
        import('/openai/index.mjs'),
      ]);
      const siskin = await Siskin.load(url, { contextTokens: 1024 });
      const openai = new client.OpenAI({
        fetch: siskin.fetch,
        baseURL: 'https://siskin.local/v1',
        apiKey: '-',
        dangerouslyAllowBrowser: true,
      });
      Object.assign(window, { Siskin, siskin, openai, client });
      const messages = [{ role: 'user', content: 'What is the capital of France?' }];
      window.body = (more) => ({
        model: 'any',
        messages,
        temperature: 0,
        max_completion_tokens: 24,
        ...more,
      });
      window.errorOf = async (promise) => {
        try {
          await promise;
          return 'no error';
        } catch (error) {
          const { status, code, param, type } = error;
          const name = Object.keys(client.OpenAI).find(
            (key) => client.OpenAI[key] === error.constructor,
          );
          return { name, status, code, param, type };
        }
      };
    }, `/models/${SMOLLM2}`);
    page.on('request', (request) => requests.push(request.url()));
  });
  after(() => site?.stop());

  test('chat.completions.create, whole and streamed', async () => {
    const { whole, chunks, own } = await page.evaluate(async () => {
      const whole = await openai.chat.completions.create(body());
      const chunks = [];
      const stream_options = { include_usage: true };
      for await (const chunk of await openai.chat.completions.create(
        body({ stream: true, stream_options }),
      ))
        chunks.push(chunk);
      return {
        whole,
        chunks,
        own: await siskin.chat.completions.create(body()),
      };
    });
    assert.match(whole.choices[0].message.content, /Paris/);
    assert.deepEqual(whole.choices, own.choices);
    assert.equal(whole.object, 'chat.completion');
    assert.deepEqual(chunks.pop().choices, []);
    const text = chunks.map(({ choices }) => choices[0].delta.content).join('');
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
  });

  test('a helper of the client gathers a stream', async () => {
    const [text, own, read, lines] = await page.evaluate(async () => {
      const stream = openai.chat.completions.stream(body());
      const text = await stream.finalContent();
      const chunks = await siskin.chat.completions.create(body({ stream: true }));
      let read = '';
      for await (const { choices } of chunks) read += choices[0].delta.content;
      // At the end the whole answer is there, though a loop has read it.
      const own = await chunks.finalContent();
      const { ChatCompletionStream } = await import('/openai/lib/ChatCompletionStream.mjs');
      const again = await siskin.chat.completions.create(body({ stream: true }));
      const lines = ChatCompletionStream.fromReadableStream(again.toReadableStream());
      return [text, own, read, await lines.finalContent()];
    });
    assert.match(text, /Paris/);
    assert.deepEqual([own, read, lines], [text, text, text]);
  });

  test('a stream is aborted, and the model stops', async () => {
    const { seen, ended, name, next } = await page.evaluate(async () => {
      const long = body({
        max_completion_tokens: 400,
        stream: true,
        logit_bias: { 2: -100 },
      });
      const stream = await openai.chat.completions.create(long);
      let seen = 0;
      for await (const chunk of stream)
        if (chunk.choices[0].delta.content && ++seen === 3) stream.controller.abort();
      const own = await siskin.chat.completions.create(long);
      let ended = 0;
      for await (const chunk of own)
        if (chunk.choices[0].delta.content && ++ended === 3) own.controller.abort();
      const given = new AbortController();
      const waiting = openai.chat.completions.create(
        { ...long, stream: false },
        { signal: given.signal },
      );
      setTimeout(() => given.abort(), 200);
      const { name } = await errorOf(waiting);
      const next = await openai.chat.completions.create(body({ max_completion_tokens: 2 }));
      return { seen, ended, name, next: next.usage.completion_tokens };
    });
    assert.deepEqual([seen, ended], [3, 3]);
    assert.equal(name, 'APIUserAbortError');
    assert.equal(next, 2);
  });

  test('several answers come from one prompt', async () => {
    const { whole, streamed, alone, usage } = await page.evaluate(async () => {
      const options = body({
        n: 3,
        temperature: 1,
        seed: 7,
        max_completion_tokens: 8,
      });
      const whole = await openai.chat.completions.create(options);
      const streamed = ['', '', ''];
      let usage;
      const roles = [];
      for await (const chunk of await openai.chat.completions.create({
        ...options,
        stream: true,
      })) {
        usage = chunk.usage ?? usage;
        for (const { index, delta } of chunk.choices) {
          streamed[index] += delta.content;
          if (delta.role) roles.push(index);
        }
      }
      const alone = [];
      for (const seed of [7, 8, 9])
        alone.push(await siskin.chat.completions.create({ ...options, n: 1, seed }));
      return { whole, streamed, alone, usage, roles };
    });
    assert.deepEqual(
      whole.choices.map(({ index }) => index),
      [0, 1, 2],
    );
    const texts = whole.choices.map(({ message }) => message.content);
    assert.deepEqual(streamed, texts);
    // The same seed gives the same text.
    assert.deepEqual(
      alone.map(({ choices }) => choices[0].message.content),
      texts,
    );
    assert.ok(new Set(texts).size > 1);
    const completion_tokens = alone.reduce((sum, it) => sum + it.usage.completion_tokens, 0);
    assert.equal(whole.usage.completion_tokens, completion_tokens);
    assert.equal(whole.usage.prompt_tokens, alone[0].usage.prompt_tokens);
    assert.equal(usage.total_tokens, whole.usage.prompt_tokens + completion_tokens);
  });

  test('completions.create goes on with a prompt', async () => {
    const { plain, echoed, several, chunks, tokens, count } = await page.evaluate(async () => {
      const request = {
        model: 'any',
        prompt: 'One, two, three,',
        max_tokens: 6,
        temperature: 0,
        logprobs: 2,
      };
      const plain = await openai.completions.create(request);
      const { logprobs: _, ...rest } = request;
      const echoed = await openai.completions.create({ ...rest, echo: true });
      const prompt = ['One, two, three,', 'Red, green,'];
      const several = await openai.completions.create({
        ...rest,
        prompt,
        n: 2,
      });
      const chunks = [];
      for await (const chunk of await openai.completions.create({
        ...rest,
        stream: true,
      }))
        chunks.push(chunk);
      const ids = [...(await siskin.tokenize('One, two, three,'))];
      const tokens = await openai.completions.create({
        ...rest,
        prompt: ids,
      });
      return { plain, echoed, several, chunks, tokens, count: ids.length };
    });
    const [{ text, logprobs }] = plain.choices;
    assert.match(text, /four/);
    assert.equal(plain.object, 'text_completion');
    assert.deepEqual(plain.usage.prompt_tokens, count);
    assert.equal(logprobs.tokens.join(''), text);
    assert.equal(logprobs.token_logprobs.length, plain.usage.completion_tokens);
    assert.equal(Object.keys(logprobs.top_logprobs[0]).length, 2);
    assert.equal(echoed.choices[0].text, `One, two, three,${text}`);
    assert.equal(tokens.choices[0].text, text);
    assert.deepEqual(
      several.choices.map(({ index }) => index),
      [0, 1, 2, 3],
    );
    assert.deepEqual([several.choices[0].text, several.choices[1].text], [text, text]);
    assert.equal(chunks.map(({ choices }) => choices[0]?.text ?? '').join(''), text);
  });

  test('embeddings.create gives vectors of length 1 that know what is alike', async () => {
    const { data, usage, short, floats, ids, tokens } = await page.evaluate(async () => {
      const input = [
        'A cat sleeps on the sofa.',
        'A kitten naps on the couch.',
        'Taxes rose in May.',
      ];
      // The client asks for base64, and decodes it.
      const { data, usage } = await openai.embeddings.create({
        model: 'any',
        input,
      });
      const short = await openai.embeddings.create({
        model: 'any',
        input: input[0],
        dimensions: 64,
      });
      const floats = await siskin.embeddings.create({ input: input[0] });
      const ids = [...(await siskin.tokenize(input[0]))];
      const tokens = await siskin.embeddings.create({ input: [ids] });
      return { data, usage, short, floats, ids, tokens };
    });
    const dot = (a, b) => a.reduce((sum, x, index) => sum + x * b[index], 0);
    const [a, b, c] = data.map(({ embedding }) => embedding);
    assert.equal(a.length, 576);
    for (const vector of [a, b, c]) assert.ok(Math.abs(dot(vector, vector) - 1) < 1e-5);
    assert.ok(dot(a, b) > dot(a, c) + 0.05, `${dot(a, b)} and ${dot(a, c)}`);
    assert.equal(usage.prompt_tokens, usage.total_tokens);
    assert.ok(usage.prompt_tokens > 15 && usage.prompt_tokens < 40);
    const [first] = short.data;
    assert.equal(first.embedding.length, 64);
    assert.ok(Math.abs(dot(first.embedding, first.embedding) - 1) < 1e-5);
    assert.ok(Math.abs(dot(floats.data[0].embedding, a) - 1) < 1e-5);
    assert.ok(Math.abs(dot(tokens.data[0].embedding, a) - 1) < 1e-5);
    assert.equal(tokens.usage.prompt_tokens, ids.length);
  });

  test('the model is listed', async () => {
    const { listed, one, missing, name } = await page.evaluate(async () => {
      const listed = [];
      for await (const model of openai.models.list()) listed.push(model);
      return {
        listed,
        one: await openai.models.retrieve(siskin.info.name),
        missing: await errorOf(openai.models.retrieve('gpt-4')),
        name: siskin.info.name,
      };
    });
    assert.deepEqual(listed, [{ id: name, object: 'model', created: 0, owned_by: 'siskin' }]);
    assert.deepEqual(one, listed[0]);
    assert.deepEqual([missing.name, missing.status], ['NotFoundError', 404]);
  });

  test('tokens are counted as a request would be read', async () => {
    const [counted, used] = await page.evaluate(async () => {
      const { messages } = body();
      const { usage } = await siskin.chat.completions.create(body({ max_completion_tokens: 1 }));
      return [await siskin.countTokens(messages), usage.prompt_tokens];
    });
    assert.equal(counted, used);
  });

  test("errors are the client's classes", async () => {
    const { field, empty, long, unknown, inside, own } = await page.evaluate(async () => {
      const chat = (more) => errorOf(openai.chat.completions.create(body(more)));
      const tried = (path) =>
        siskin.fetch(`https://siskin.local/v1/${path}`).then(({ status }) => status);
      return {
        field: await chat({ temperature: 7 }),
        empty: await chat({ messages: [] }),
        long: await chat({
          messages: [{ role: 'user', content: 'word '.repeat(2000) }],
        }),
        unknown: await errorOf(openai.responses.create({ model: 'any', input: 'Hi' })),
        inside: [await tried('models'), await tried('chat/completions'), await tried('files')],
        own: await siskin.fetch('https://example.org/v1/models').catch(({ code }) => code),
      };
    });
    const bad = {
      name: 'BadRequestError',
      status: 400,
      type: 'invalid_request_error',
    };
    assert.deepEqual(field, {
      ...bad,
      code: 'invalid_argument',
      param: 'temperature',
    });
    assert.deepEqual(empty, {
      ...bad,
      code: 'invalid_argument',
      param: 'messages',
    });
    assert.deepEqual(long, {
      ...bad,
      code: 'context_length_exceeded',
      param: null,
    });
    assert.equal(unknown.name, 'NotFoundError');
    assert.deepEqual(inside, [200, 405, 404]);
    assert.equal(own, 'invalid_argument');
  });

  test('what is wrong with a request is named', async () => {
    const tool = { type: 'function', function: { name: 'f' } };
    const wrong = {
      chat: [
        ['model', 5],
        ['signal', 'stop'],
        ['stream', 'yes'],
        ['stream_options', 5],
        ['stream_options', { include_usage: 'yes' }],
        ['messages', [{ role: 'user', content: 5 }]],
        ['tools', [{ type: 'function', function: { name: 'two words' } }]],
        ['tool_choice', 'required'],
        ['parallel_tool_calls', 'yes'],
        ['chat_template_kwargs', { messages: [] }],
        ['max_tokens', 0],
        ['max_completion_tokens', -1],
        ['temperature', 2.1],
        ['top_k', 1.5],
        ['top_p', 2],
        ['min_p', -0.1],
        ['repetition_penalty', 0],
        ['frequency_penalty', 2.5],
        ['presence_penalty', -3],
        ['logit_bias', { 1: 101 }],
        ['logit_bias', { 99999: 1 }],
        ['allowed_token_ids', []],
        ['seed', 'x'],
        ['logprobs', 1],
        ['top_logprobs', 2],
        ['top_logprobs', 21, { logprobs: true }],
        ['stop', ''],
        ['context_overflow', 'wrap'],
        ['draft_max', -1],
        ['continue_final_message', true],
        ['reasoning_effort', 'much'],
        ['reasoning_budget', -1],
        ['response_format', { type: 'xml' }],
        ['response_format', { type: 'json_schema', json_schema: { schema: { not: {} } } }],
        ['tools', [tool], { response_format: { type: 'json_object' } }],
        ['regex', '('],
        ['grammar', 'nonsense'],
        ['choice', ['a', 'a']],
        ['temperature', 7, { choice: ['a', 'b'] }],
        ['n', 0],
        ['n', 2.5],
        ['n', 'two'],
        ['n', 129],
        ['lora', 5],
        ['lora', [{ id: 0, scale: 1 }]],
        ['user', 5],
        ['safety_identifier', 5],
        ['prompt_cache_key', 5],
        ['store', 'yes'],
        ['metadata', 'x'],
        ['service_tier', 5],
        ['colour', 'green'],
      ],
      text: [
        ['prompt', {}],
        ['prompt', []],
        ['suffix', 'there is no such token'],
        ['suffix', 5],
        ['echo', 'yes'],
        ['logprobs', 21],
        ['n', -1],
        ['messages', []],
      ],
      embeddings: [
        ['input', ''],
        ['input', []],
        ['input', ['a', '']],
        ['input', [[0.5]]],
        ['dimensions', 0],
        ['dimensions', 1.5],
        ['dimensions', 577],
        ['encoding_format', 'int8'],
        ['user', 7],
      ],
    };
    const named = await page.evaluate(async (wrong) => {
      const outcome = (promise) =>
        promise.then(
          () => 'no error',
          ({ code, param }) => `${code} ${param}`,
        );
      const create = {
        chat: (more) => siskin.chat.completions.create(body(more)),
        text: (more) => siskin.completions.create({ prompt: 'Hi', max_tokens: 1, ...more }),
        embeddings: (more) => siskin.embeddings.create({ input: 'Hi', ...more }),
      };
      const named = {};
      for (const [kind, list] of Object.entries(wrong)) {
        named[kind] = [];
        for (const [name, value, more] of list)
          named[kind].push(await outcome(create[kind]({ ...more, [name]: value })));
      }
      named.unsupported = [
        await outcome(create.text({ echo: true, logprobs: 1 })),
        await outcome(create.text({ best_of: 3 })),
      ];
      named.countTokens = await outcome(siskin.countTokens([], { colour: 'green' }));
      return named;
    }, wrong);
    for (const [kind, list] of Object.entries(wrong))
      assert.deepEqual(
        // An error names the place in a field.
        named[kind].map((it) => it.replace(/[.[].*$/, '')),
        list.map(([name]) => `invalid_argument ${name}`),
        kind,
      );
    const tried = new Set(wrong.chat.map(([name]) => name));
    assert.deepEqual(
      FIELDS.filter((name) => !tried.has(name)),
      [],
      'every field',
    );
    assert.ok(
      named.unsupported.every((it) => it.startsWith('unsupported')),
      named.unsupported,
    );
    assert.equal(named.countTokens, 'invalid_argument colour');
  });

  test('a model is checked before it is downloaded', async () => {
    const { fresh, kept, blob, text, large } = await page.evaluate(async (url) => {
      const fresh = await Siskin.check(`${url}?fresh`, {
        contextTokens: 512,
      });
      const file = new Blob([await (await fetch(url)).blob()]);
      return {
        fresh,
        kept: await Siskin.check(url),
        blob: await Siskin.check(file),
        text: await Siskin.check(new Blob(['This is no model. '.repeat(9)])),
        large: await Siskin.check(url, {
          contextTokens: 512,
          slots: 8,
          backend: 'cpu',
        }),
      };
    }, `/models/${SMOLLM2}`);
    assert.equal(fresh.ok, true, JSON.stringify(fresh));
    assert.equal(fresh.cached, false);
    assert.deepEqual([fresh.model.architecture, fresh.model.size_bytes], ['llama', 98_362_432]);
    assert.equal(fresh.model.context_tokens, 512);
    assert.ok(fresh.memory_bytes > 90e6 && fresh.memory_bytes < 200e6, fresh.memory_bytes);
    assert.ok(fresh.free_bytes > 0);
    assert.equal(kept.cached, true);
    assert.equal(blob.model.size_bytes, 98_362_432);
    assert.deepEqual([text.ok, text.code], [false, 'not_gguf']);
    const slot_bytes = 30 * 3 * 64 * 512 * 2 * 2;
    assert.equal(large.memory_bytes - fresh.memory_bytes, 7 * slot_bytes);
  });

  test('nothing went over the network', () => {
    const own = requests.filter((url) => !url.startsWith(site.url));
    assert.deepEqual(own, []);
  });
});
