// These tests hold for what the fallback server is sent, without a server: a function in the place
// of `fetch` takes the request.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fallback } from '../../www/lib/chat/fallback.js';

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const TOOLS = [{ type: 'function', function: { name: 'f' } }];
const real_fetch = globalThis.fetch;
afterEach(() => (globalThis.fetch = real_fetch));

const fallback = new Fallback({ baseURL: 'https://example.org/v1', model: 'm' });

/** Returns the body that the server gets, or the error. */
async function sent(fields) {
  let body;
  globalThis.fetch = async (_url, init) => {
    body = JSON.parse(init.body);
    return new Response('', { headers: { 'Content-Type': 'text/event-stream' } });
  };
  try {
    (await fallback.ask({ messages: MESSAGES, ...fields }, undefined)).answer.cancel();
  } catch (error) {
    return error;
  }
  return body;
}

test('the server is sent the fields that mean the same to any model', async () => {
  const same = { max_completion_tokens: 5, temperature: 0.5, seed: 1, stop: 'x' };
  const here = {
    n: 1,
    user: 'u-1',
    store: false,
    metadata: {},
    service_tier: 'auto',
    parallel_tool_calls: true,
    response_format: { type: 'text' },
    tool_choice: 'none',
    tools: TOOLS,
    chat_template_kwargs: { enable_thinking: false },
    logprobs: true,
    top_logprobs: 2,
    top_k: 5,
  };
  assert.deepEqual(await sent({ ...same, ...here }), {
    messages: MESSAGES,
    ...same,
    model: 'm',
    stream: true,
    stream_options: { include_usage: true },
  });
});

test('the server is not asked what the engine refuses', async () => {
  for (const [fields, named] of [
    [{ n: 2 }, '`n`'],
    [{ max_tokens: 5, max_completion_tokens: 6 }, '`max_completion_tokens`'],
  ]) {
    const error = await sent(fields);
    assert.equal(error.code, 'invalid_argument', named);
    assert.ok(error.message.includes(named), error.message);
  }
  for (const fields of [
    { n: null, response_format: null, tool_choice: null, max_tokens: null },
    { max_tokens: 5, max_completion_tokens: 5 },
    { max_tokens: null, max_completion_tokens: 5 },
  ])
    assert.ok((await sent(fields)).stream, JSON.stringify(fields));
});

test('requests with tools or a form wait for the tab', async () => {
  const handles = (fields) => fallback.handles({ messages: MESSAGES, ...fields });
  assert.equal(await handles({}), true);
  assert.equal(await handles({ tools: TOOLS }), false);
  assert.equal(await handles({ tools: TOOLS, tool_choice: 'auto' }), false);
  assert.equal(await handles({ tools: TOOLS, tool_choice: 'none' }), true);
  assert.equal(await handles({ tools: [] }), true);
  assert.equal(await handles({ tools: null }), true);
  assert.equal(await handles({ response_format: { type: 'text' } }), true);
  assert.equal(await handles({ response_format: { type: 'json_object' } }), false);
  assert.equal(await handles({ regex: 'a+' }), false);
  assert.equal(await handles({ choice: ['a', 'b'] }), false);
});
