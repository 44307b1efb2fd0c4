// These tests hold for what a caller may pass to `chat.completions.create`, without a model: a
// function in the engine's place takes the request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Completions } from '../../www/lib/chat/completions.js';
import { readSignal } from '../../www/lib/chat/arguments.js';
import { readRequest } from '../../www/lib/chat/request.js';
import { SiskinError } from '../../www/lib/errors.js';

const MESSAGES = [{ role: 'user', content: 'Hi' }];

/** Returns what the engine would be asked, or the error. */
async function asked(request, options) {
  const calls = [];
  const completions = new Completions(async (...call) => {
    calls.push(call);
    throw new SiskinError('not_loaded', 'There is no engine here.');
  });
  const error = await completions.create(request, options).catch((error) => error);
  return { error, call: calls[0] };
}

async function refusal(request, options) {
  const { error, call } = await asked(request, options);
  assert.equal(call, undefined, 'the request was taken');
  assert.ok(error instanceof SiskinError, `${error}`);
  assert.equal(error.code, 'invalid_argument', error.message);
  assert.match(error.message, /^[A-Za-z`].*\.$/s);
  return error.message;
}

const circle = { type: 'object' };
circle.properties = { inner: [circle] };
const deep = JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`);
const thrower = (fields) =>
  Object.defineProperty(fields, 'content', {
    enumerable: true,
    get() {
      throw new Error('boom');
    },
  });
const revoked = Proxy.revocable({}, {});
revoked.revoke();

/** Each entry is: what the request holds besides, and how the message begins. */
const WRONG = [
  [{ temperature: NaN }, '`temperature` is NaN;'],
  [{ top_p: Infinity }, '`top_p` is Infinity;'],
  [{ min_p: -Infinity }, '`min_p` is -Infinity;'],
  [{ max_tokens: NaN }, '`max_tokens` is NaN;'],
  [{ seed: NaN }, '`seed` is NaN;'],
  [{ logit_bias: { 7: NaN } }, '`logit_bias["7"]` is NaN;'],
  [{ allowed_token_ids: [1, NaN] }, '`allowed_token_ids[1]` is NaN;'],
  [{ seed: 5n }, '`seed` is a BigInt;'],
  [{ draft_max: Infinity }, '`draft_max` is Infinity;'],
  [{ logit_bias: new Map([[7, 1]]) }, '`logit_bias` is of the type Map;'],
  [{ stop: new Set(['a']) }, '`stop` is of the type Set;'],
  [{ stop: /a/ }, '`stop` is of the type RegExp;'],
  [{ stop: () => {} }, '`stop` is of the type function;'],
  [{ stop: Symbol('a') }, '`stop` is of the type symbol;'],
  [{ stop: ['a', undefined] }, '`stop[1]` is of the type undefined;'],
  [{ metadata: { 'sent at': new Date(0) } }, '`metadata["sent at"]` is of the type Date;'],
  [{ tools: [circle] }, '`tools[0].properties.inner[0]` is an object that it is itself a part of;'],
  [{ tools: deep }, 'A request is nested at most 100 deep;'],
  [{ messages: [...MESSAGES, MESSAGES[0], thrower({})] }, '`messages[2].content` cannot be read'],
  [{ messages: [revoked.proxy] }, '`messages[0]` cannot be read'],
  [
    { messages: [{ role: 'user', content: [{ type: 1n, text: 'Hi' }] }] },
    '`messages[0].content[0].type` is a BigInt;',
  ],
  [{ messages: new Uint8Array(2) }, '`messages` is of the type Uint8Array;'],
];

const OWN = [
  [{ model: 5 }, '`model` must be'],
  [{ stream: 'yes' }, '`stream` must be'],
  [{ stream_options: true }, '`stream_options` must be'],
  [{ stream_options: [] }, '`stream_options` must be'],
  [{ stream_options: { include_usage: 'yes' } }, '`stream_options.include_usage` must be'],
  [{ stream_options: { colour: true } }, '`stream_options.colour` is no option'],
];

for (const [fields, start] of [...WRONG, ...OWN])
  test(`a request is refused: ${start}`, async () => {
    const message = await refusal({ messages: MESSAGES, ...fields });
    assert.ok(message.startsWith(start), message);
  });

test('what is no object is no request', async () => {
  for (const request of [undefined, null, 'Hi', 5, [], new Map(), new Date(), () => {}])
    assert.match(await refusal(request), /^Give a request object/);
  assert.match(await refusal(revoked.proxy), /^The request cannot be read/);
});

test('half a surrogate pair becomes U+FFFD, as TextEncoder does', async () => {
  const texts = ['a\ud83d', '\ude00b', '\ude00\ud83d', '\ud83d\ud83d\ude00', '🐦', '\ufdd0', ''];
  const encoded = texts.map((text) => new TextDecoder().decode(new TextEncoder().encode(text)));
  const { call } = await asked({
    messages: texts.map((content) => ({ role: 'user', content })),
    tools: [
      {
        type: 'function',
        function: { name: texts[0], parameters: { [texts[1]]: {} } },
      },
    ],
    stop: texts,
  });
  const [{ messages, tools, stop }] = call;
  assert.deepEqual(
    messages.map(({ content }) => content),
    encoded,
  );
  assert.equal(tools[0].function.name, 'a\ufffd');
  assert.deepEqual(Object.keys(tools[0].function.parameters), ['\ufffdb']);
  assert.deepEqual(stop, encoded);
});

test('a request is copied as JSON would', async () => {
  class Message {
    constructor(content) {
      this.role = 'user';
      this.content = content;
    }
  }
  const request = {
    messages: [new Message('a'), new Proxy({ role: 'user', content: 'b' }, {})],
    tools: [JSON.parse('{"__proto__": {"x": 1}, "1": null}')],
    temperature: -0.5,
    seed: null,
    stop: undefined,
    metadata: Object.assign(Object.create(null), { yes: true }),
  };
  const { call } = await asked({
    ...request,
    model: 'any',
    stream: null,
    stream_options: null,
  });
  assert.deepEqual(JSON.parse(JSON.stringify(call[0])), JSON.parse(JSON.stringify(request)));
  assert.ok(!('stop' in call[0]));
  // The page may post the copy to a worker, which it could not with a proxy.
  structuredClone(call[0]);
  assert.notEqual(readRequest(request).messages, request.messages);
});

test('a signal is in the request or beside it', async () => {
  const { signal } = new AbortController();
  for (const [inside, beside] of [
    [{ signal }, undefined],
    [{}, { signal }],
    [{ signal: null }, { signal }],
    [{ signal }, { signal: null }],
    [{ signal }, { signal }],
  ])
    assert.equal((await asked({ messages: MESSAGES, ...inside }, beside)).call[1], signal);
  for (const beside of [undefined, null, {}, { signal: undefined }])
    assert.equal((await asked({ messages: MESSAGES }, beside)).call[1], undefined);
  const request = { messages: MESSAGES };
  assert.match(await refusal(request, { signal: {} }), /^`signal` must be/);
  assert.match(await refusal({ ...request, signal: 'stop' }), /^`signal` must be/);
  assert.match(await refusal(request, { timeout: 5 }), /`timeout`/);
  assert.match(await refusal(request, signal), /^Give the options beside a request/);
  const { signal: other } = new AbortController();
  assert.match(await refusal({ ...request, signal }, { signal: other }), /^Give one signal/);
  assert.equal(readSignal(null), undefined);
});
