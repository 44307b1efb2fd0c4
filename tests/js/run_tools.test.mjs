// These tests run the functions of a model that answers by a script.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runTools } from '../../www/lib/chat/run_tools.js';

const USER = { role: 'user', content: 'What is 2 + 3?' };
const call = (id, name, args) => ({ id, type: 'function', function: { name, arguments: args } });

/** Returns completions that give these messages, and the requests that they were given. */
function scripted(messages) {
  const requests = [];
  return {
    requests,
    create: async (request) => {
      requests.push(structuredClone(request));
      const message = { role: 'assistant', content: '', ...messages[requests.length - 1] };
      return { choices: [{ message }] };
    },
  };
}

const add = ({ a, b }) => a + b;
const tools = [
  { type: 'function', function: { function: add, description: 'adds', parameters: {} } },
  {
    type: 'function',
    function: {
      name: 'fail',
      parse: (text) => text,
      function: async (text) => {
        throw new Error(`no ${text}`);
      },
    },
  },
];

test('functions are run, and the model is asked on with their results', async () => {
  const completions = scripted([
    { tool_calls: [call('c1', 'add', '{"a": 2, "b": 3}'), call('c2', 'fail', 'x')] },
    { tool_calls: [call('c3', 'nothing', '{}'), call('c4', 'add', '{')] },
    { content: '5' },
  ]);
  const request = { messages: [USER], tools, tool_choice: 'required', temperature: 0 };
  const { choices, messages } = await runTools(completions, request);
  assert.equal(choices[0].message.content, '5');
  assert.deepEqual(
    messages
      .filter(({ role }) => role === 'tool')
      .map((it) => [it.tool_call_id, it.content.slice(0, 12)]),
    [
      ['c1', '5'],
      ['c2', 'Error: no x'],
      ['c3', 'Error: there'],
      ['c4', 'Error: Expec'],
    ],
  );
  assert.equal(messages.length, 1 + 3 + 4);
  const { requests } = completions;
  assert.deepEqual(requests[0].tools[0], {
    type: 'function',
    function: { name: 'add', description: 'adds', parameters: {} },
  });
  assert.deepEqual(
    requests.map((it) => it.tool_choice),
    ['required', 'auto', 'auto'],
  );
  assert.equal(requests[1].temperature, 0);
  assert.equal(request.messages.length, 1, "the caller's array stays");
});

test('a model that calls for ever is asked a bounded number of times', async () => {
  const calling = { tool_calls: [call('c', 'add', '{"a": 1, "b": 1}')] };
  const completions = scripted(Array(20).fill(calling));
  await runTools(completions, { messages: [USER], tools });
  assert.equal(completions.requests.length, 10);
  await runTools(completions, { messages: [USER], tools }, { maxChatCompletions: 2 });
  assert.equal(completions.requests.length, 12);
});

test('wrong tools and limits are refused by name', async () => {
  for (const [request, options, named] of [
    [{ tools: {} }, {}, '`tools`'],
    [
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      {},
      '`tools[0].function.function`',
    ],
    [{ tools }, { maxChatCompletions: 0 }, '`maxChatCompletions`'],
  ]) {
    const error = await runTools(scripted([]), { messages: [USER], ...request }, options).catch(
      (it) => it,
    );
    assert.equal(error.code, 'invalid_argument');
    assert.ok(error.message.includes(named), error.message);
  }
  const signal = AbortSignal.abort();
  const calling = scripted([{ tool_calls: [call('c', 'add', '{}')] }]);
  const aborted = await runTools(calling, { messages: [USER], tools }, { signal }).catch(
    (it) => it,
  );
  assert.equal(aborted.code, 'aborted');
});
