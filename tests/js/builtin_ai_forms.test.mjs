// These tests hold for answers of `LanguageModel` that are held to a form, and for its tools.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptedSiskin, rejection } from './helpers/scripted_siskin.mjs';
import { createBuiltinAi } from '../../www/lib/builtin_ai.js';

async function makeSession(options, siskin = new ScriptedSiskin()) {
  const { LanguageModel } = createBuiltinAi({ model: siskin });
  return { siskin, session: await LanguageModel.create(options) };
}

test('a schema becomes the form of the answer, and is told unless that is omitted', async () => {
  const { siskin, session } = await makeSession();
  const schema = { type: 'object', properties: { a: { type: 'number' } } };
  await session.prompt('x', { responseConstraint: schema });
  const [first] = siskin.requests;
  assert.deepEqual(first.response_format, {
    type: 'json_schema',
    json_schema: { name: 'response', schema },
  });
  assert.match(first.messages.at(-1).content, /^x\n\n.*"properties"/s);
  const omitted = { responseConstraint: schema, omitResponseConstraintInput: true };
  await session.prompt([{ role: 'user', content: 'y' }], omitted);
  const second = siskin.requests.at(-1);
  assert.deepEqual(second.response_format, first.response_format);
  assert.equal(second.messages.at(-1).content, 'y');
  await session.prompt('z');
  assert.equal(siskin.requests.at(-1).response_format, undefined);
  assert.ok(
    (await session.measureContextUsage('x', { responseConstraint: schema })) >
      (await session.measureContextUsage('x', omitted)),
  );
});

test('a regular expression of JavaScript is one of the engine', async () => {
  const { siskin, session } = await makeSession();
  for (const [responseConstraint, regex] of [
    [/^[a-z]$/, '[a-z]'],
    [/^-?\d(\.\d+)?$/, '-?[0-9](\\.[0-9]+)?'],
    [/^https?:\/\/[^\s$.?#].[^\s]*$/, 'https?://[^\\s$.?#].[^\\s]*'],
    [/yes|no/i, '(?i)yes|no'],
    [/^[\w.]+\$$/s, '(?s)[0-9A-Za-z_.]+\\$'],
    [/[\d^]\\d/gu, '[0-9^]\\\\d'],
  ]) {
    await session.prompt('x', { responseConstraint, omitResponseConstraintInput: true });
    assert.equal(siskin.requests.at(-1).regex, regex);
  }
});

test('what is no form is refused, and so is what the engine cannot hold', async () => {
  const { siskin, session } = await makeSession();
  const circular = {};
  circular.self = circular;
  for (const responseConstraint of [circular, [], /a$b/, /a^/, { toJSON: () => 5 }]) {
    const error = await rejection(session.prompt('x', { responseConstraint }));
    assert.equal(error.name, 'NotSupportedError');
  }
  assert.equal(siskin.requests.length, 0);
  siskin.failure = 'invalid_argument';
  const error = await rejection(session.prompt('x', { responseConstraint: { not: {} } }));
  assert.equal(error.name, 'NotSupportedError');
});

/** Returns a model that calls these functions before it answers. */
function callingModel(...calls) {
  const siskin = new ScriptedSiskin();
  const { create } = siskin.chat.completions;
  siskin.chat.completions.create = async (request) => {
    const chunks = await create(request);
    const round = request.messages.filter(({ role }) => role === 'tool').length;
    const call = calls[round];
    if (!call || request.tool_choice === 'none') return chunks;
    return (async function* () {
      const [name, given] = call;
      const delta = { index: 0, id: `call_${round}`, type: 'function' };
      const tool_calls = [{ ...delta, function: { name, arguments: JSON.stringify(given) } }];
      yield { choices: [{ delta: { content: '', tool_calls }, finish_reason: null }] };
      yield {
        choices: [{ delta: {}, finish_reason: 'tool_calls' }],
        usage: { prompt_tokens: 10, completion_tokens: 5 },
      };
    })();
  };
  return siskin;
}

const weather = (execute) => ({
  name: 'weather',
  description: 'Tells the weather.',
  inputSchema: { type: 'object', properties: { city: { type: 'string' } } },
  execute,
});

test('tools are told, run, and what they say is answered', async () => {
  const asked = [];
  const tool = weather(async (input) => {
    asked.push(input);
    if (input.city === 'Atlantis') throw new Error('it is under water');
    return 'rain';
  });
  const cities = ['Atlantis', 'Bern'].map((city) => ['weather', { city }]);
  const siskin = callingModel(...cities, ['moon', {}]);
  const { session } = await makeSession({ tools: [tool] }, siskin);
  assert.equal(await session.prompt('Will it rain?'), 'Fine, thanks.');
  assert.deepEqual(asked, [{ city: 'Atlantis' }, { city: 'Bern' }]);
  const { messages, tools } = siskin.requests.at(-1);
  assert.deepEqual(tools, [
    {
      type: 'function',
      function: {
        name: 'weather',
        description: 'Tells the weather.',
        parameters: tool.inputSchema,
      },
    },
  ]);
  assert.deepEqual(
    messages.filter(({ role }) => role === 'tool').map((it) => [it.tool_call_id, it.content]),
    [
      ['call_0', 'Error: it is under water'],
      ['call_1', 'rain'],
      ['call_2', 'Error: there is no tool "moon".'],
    ],
  );
  // A clone knows them, too.
  const clone = await session.clone();
  await clone.prompt('Again?');
  assert.equal(siskin.requests.at(-1).tools.length, 1);
  assert.equal(siskin.requests.at(-1).messages.length, messages.length + 2);
});

test('a model that calls tools without end must answer', async () => {
  const calls = Array.from({ length: 50 }, () => ['weather', {}]);
  const siskin = callingModel(...calls);
  siskin.info.context_tokens = 10_000;
  let runs = 0;
  const tool = weather(() => String((runs += 1)));
  const { session } = await makeSession({ tools: [tool] }, siskin);
  await session.prompt('x');
  assert.equal(runs, 9);
  assert.equal(siskin.requests.at(-1).tool_choice, 'none');
});
