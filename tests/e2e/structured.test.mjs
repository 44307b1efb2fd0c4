// These tests hold answers of a tiny model with random weights to forms, which it writes none of by
// itself: JSON schemas, tools and labels, by OpenAI's own client, unmodified, on the processor and
// on SwiftShader in the place of a graphics card.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setContext } from './helpers/gguf.mjs';
import { ROOT, cannotRun, start } from './helpers/harness.mjs';
import { OPENAI, openaiRoutes } from './helpers/openai.mjs';

const Ajv = createRequire(join(ROOT, 'pkg/package.json'))('ajv');
const CONTEXT_TOKENS = 1024;
const CHAT_TINY = async (request, response) => {
  const file = await readFile(join(ROOT, 'tests/fixtures/models/chat-tiny.gguf'));
  response.writeHead(200).end(setContext(file, CONTEXT_TOKENS));
};

const SCHEMA = {
  type: 'object',
  properties: {
    date: { type: 'string', format: 'date' },
    total: { type: 'integer', minimum: 0, maximum: 100 },
    kind: { enum: ['food', 'fuel', null] },
    items: {
      type: 'array',
      minItems: 1,
      maxItems: 2,
      items: {
        type: 'object',
        properties: { name: { type: 'string', pattern: '^[a-z]{1,5}$' } },
        required: ['name'],
        additionalProperties: false,
      },
    },
  },
  required: ['date', 'total', 'kind', 'items'],
  additionalProperties: false,
};
const ARGUMENTS = {
  type: 'object',
  properties: {
    city: { enum: ['Oslo', 'Rome'] },
    days: { type: 'integer', minimum: 1, maximum: 7 },
  },
  required: ['city', 'days'],
  additionalProperties: false,
};
const LABELS = ['billing', 'bill', 'sales', 'technical support', 'über'];

/** Fails unless a text is JSON that fits a schema. */
function assertFits(schema, text) {
  const ajv = new Ajv();
  assert.ok(ajv.validate(schema, JSON.parse(text)), `${text}: ${ajv.errorsText()}`);
}

/** Fails unless an answer is a call of the tool, with arguments that fit. */
function assertCalls({ choices }) {
  assert.equal(choices[0].finish_reason, 'tool_calls');
  const [{ function: call, type, id }] = choices[0].message.tool_calls;
  assert.deepEqual([type, call.name], ['function', 'get_weather']);
  assert.match(id, /^call_/);
  assertFits(ARGUMENTS, call.arguments);
}

for (const backend of ['cpu', 'gpu'])
  describe(`forms on the ${backend}`, { skip: cannotRun(OPENAI) }, () => {
    let site;
    let page;
    before(async () => {
      site = await start({ ...openaiRoutes, '/tiny.gguf': CHAT_TINY }, { gpu: backend === 'gpu' });
      ({ page } = await site.open());
      const used = await page.evaluate(
        async ({ backend, SCHEMA, ARGUMENTS }) => {
          const [{ Siskin }, { OpenAI }] = await Promise.all([
            import('/lib/siskin.js'),
            import('/openai/index.mjs'),
          ]);
          const siskin = await Siskin.load('/tiny.gguf', {
            backend,
            // The model's own template knows no tools.
            chatTemplate:
              '{% if tools %}<tool_call> {{ tools | tojson }}{% endif %}{% for m in messages %}' +
              "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
          });
          const openai = new OpenAI({
            fetch: siskin.fetch,
            baseURL: 'https://siskin.local/v1',
            apiKey: '-',
            dangerouslyAllowBrowser: true,
          });
          const messages = [{ role: 'user', content: 'Hi' }];
          const body = { model: 'any', messages, temperature: 1.5, max_tokens: 500 };
          const get_weather = { name: 'get_weather', parameters: ARGUMENTS };
          Object.assign(window, {
            siskin,
            openai,
            body: (more) => ({ ...body, ...more }),
            held: (more) => ({
              ...body,
              response_format: { type: 'json_schema', json_schema: { name: 'x', schema: SCHEMA } },
              ...more,
            }),
            called: (more) => ({
              ...body,
              tools: [{ type: 'function', function: get_weather }],
              tool_choice: 'required',
              parallel_tool_calls: false,
              ...more,
            }),
            runnable: {
              ...body,
              seed: 5,
              tools: [
                {
                  type: 'function',
                  function: {
                    ...get_weather,
                    function: (args) => (window.ran ??= []).push(args) && 'It rains.',
                    parse: JSON.parse,
                  },
                },
              ],
              tool_choice: { type: 'function', function: { name: 'get_weather' } },
              max_tokens: 200,
            },
          });
          return siskin.info.backend;
        },
        { backend, SCHEMA, ARGUMENTS },
      );
      assert.equal(used, backend);
    });
    after(() => site?.stop());

    test('a JSON schema holds an answer, whole and streamed', async () => {
      const { whole, streamed, cut } = await page.evaluate(async () => {
        const whole = await openai.chat.completions.create(held({ seed: 1 }));
        let streamed = '';
        for await (const { choices } of await openai.chat.completions.create(
          held({ seed: 1, stream: true }),
        ))
          streamed += choices[0]?.delta.content ?? '';
        const cut = await siskin.chat.completions.create(held({ seed: 1, max_tokens: 5 }));
        return { whole: whole.choices[0], streamed, cut: cut.choices[0] };
      });
      assert.equal(whole.finish_reason, 'stop');
      assertFits(SCHEMA, whole.message.content);
      assert.equal(streamed, whole.message.content);
      assert.equal(cut.finish_reason, 'length');
      assert.ok(whole.message.content.startsWith(cut.message.content));
    });

    test('calls fit their schema, whole, streamed and run', async () => {
      const whole = await page.evaluate(() => openai.chat.completions.create(called({ seed: 3 })));
      assertCalls(whole);
      // SwiftShader is slow, and what follows is of the page.
      if (backend === 'gpu') return;
      const { streamed, deltas, runs } = await page.evaluate(async () => {
        const stream = openai.chat.completions.stream(called({ seed: 3 }));
        let deltas = 0;
        for await (const { choices } of stream) deltas += choices[0].delta.tool_calls ? 1 : 0;
        const streamed = await stream.finalChatCompletion();
        const runner = openai.chat.completions.runTools({ ...runnable, stream: false });
        await runner.done();
        const { messages } = await siskin.chat.completions.runTools(runnable);
        const runs = [runner.messages, messages].map((list) => list.map(({ role }) => role));
        return { streamed, deltas, runs: { roles: runs, given: window.ran } };
      });
      assertCalls(streamed);
      const [first, second] = [whole, streamed].map(
        ({ choices }) => choices[0].message.tool_calls[0].function.arguments,
      );
      assert.equal(first, second);
      assert.ok(deltas > 0);
      for (const roles of runs.roles)
        assert.deepEqual(roles.slice(0, 3), ['user', 'assistant', 'tool']);
      assert.ok(runs.given.length >= 2);
      for (const given of runs.given) assertFits(ARGUMENTS, JSON.stringify(given));
    });

    test('a choice has the product of the probabilities of its tokens', async () => {
      const { probabilities, content, expected } = await page.evaluate(async (labels) => {
        const { choices } = await openai.chat.completions.create(body({ choice: labels }));
        const template = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n';
        const tokens = async (text, special) => [...(await siskin.tokenize(text, special))];
        const prompt = await tokens(template, { special: true });
        const expected = [];
        for (const label of labels) {
          const ids = [...prompt, ...(await tokens(label))];
          const { log_probabilities } = await siskin.score(ids, { from: prompt.length });
          expected.push(log_probabilities.reduce((sum, value) => sum + value, 0));
        }
        const [{ probabilities, message }] = choices;
        return { probabilities, content: message.content, expected };
      }, LABELS);
      const sum = expected.reduce((sum, logprob) => sum + Math.exp(logprob), 0);
      const total = probabilities.reduce((sum, { probability }) => sum + probability, 0);
      assert.ok(Math.abs(total - 1) < 1e-9, `${total}`);
      probabilities.forEach(({ label, probability, logprob }, index) => {
        assert.equal(label, LABELS[index]);
        // The weights are random, so a label of many tokens is very unlikely.
        assert.ok(Math.abs(logprob - expected[index]) < 1e-2, `${logprob} ${expected[index]}`);
        const product = Math.exp(expected[index]);
        assert.ok(Math.abs(Math.exp(logprob) - product) < 1e-4, `${label} ${product}`);
        assert.ok(Math.abs(probability - product / sum) < 1e-4, `${label} ${probability}`);
      });
      const best = probabilities.reduce((a, b) => (b.probability > a.probability ? b : a));
      assert.equal(content, best.label);
    });
  });
