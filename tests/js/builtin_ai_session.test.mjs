// These tests hold for the sessions of `LanguageModel`, sentence by sentence of the draft and its
// explainer, with a model that answers what it is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ScriptedSiskin, promptTokens, rejection, textOf } from './helpers/scripted_siskin.mjs';
import { createBuiltinAi } from '../../www/lib/builtin_ai.js';

const user = (content) => ({ role: 'user', content });
const assistant = (content) => ({ role: 'assistant', content });
const system = (content) => ({ role: 'system', content });

/** Makes a session over a model of its own. */
async function makeSession(options, siskin = new ScriptedSiskin()) {
  const { LanguageModel } = createBuiltinAi({ model: siskin });
  return { siskin, session: await LanguageModel.create(options) };
}

async function until(check) {
  for (const end_ms = Date.now() + 10_000; !(await check()); await setImmediate())
    assert.ok(Date.now() < end_ms, 'it does not happen');
}

test('a string is one message of the user', async () => {
  const { siskin, session } = await makeSession();
  assert.equal(await session.prompt('Hello'), 'Fine, thanks.');
  assert.deepEqual(siskin.requests[0].messages, [user('Hello')]);
});

test('an empty list is an empty message, an empty content an empty text', async () => {
  for (const input of [[], [{ role: 'user', content: [] }], '']) {
    const { siskin, session } = await makeSession();
    await session.prompt(input);
    assert.deepEqual(siskin.requests[0].messages, [user('')]);
  }
});

test('appending nothing adds nothing', async () => {
  for (const input of [[], '', [{ role: 'user', content: [] }]]) {
    const { siskin, session } = await makeSession();
    await session.append(input);
    assert.equal(session.contextUsage, 0);
    assert.equal(siskin.requests.length, 0);
  }
});

test('what is no list is made a string', async () => {
  for (const [input, text] of [
    [5, '5'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{}, '[object Object]'],
  ]) {
    const { siskin, session } = await makeSession();
    await session.prompt(input);
    assert.deepEqual(siskin.requests[0].messages, [user(text)]);
  }
  const { session } = await makeSession();
  assert.ok((await rejection(session.prompt())) instanceof TypeError);
  assert.ok((await rejection(session.prompt(Symbol('x')))) instanceof TypeError);
  assert.throws(() => session.promptStreaming(), TypeError);
});

test('neighbouring parts of text are joined, without a space', async () => {
  const { siskin, session } = await makeSession();
  const parts = ['foo', 'bar', 7].map((value) => ({ type: 'text', value }));
  await session.prompt([{ role: 'user', content: parts }, assistant('So')]);
  assert.deepEqual(siskin.requests[0].messages, [user('foobar7'), assistant('So')]);
});

test('the session keeps what was said', async () => {
  const { siskin, session } = await makeSession({ initialPrompts: [system('S'), user('U')] });
  await session.prompt('One');
  await session.append([user('Two'), assistant('Three')]);
  siskin.answer = 'Yes.';
  await session.prompt('Four');
  assert.deepEqual(siskin.requests.at(-1).messages, [
    system('S'),
    user('U'),
    user('One'),
    assistant('Fine, thanks.'),
    user('Two'),
    assistant('Three'),
    user('Four'),
  ]);
});

test('creating and appending read messages without an answer', async () => {
  const { siskin, session } = await makeSession({ initialPrompts: [system('S')] });
  assert.equal(siskin.requests.length, 1);
  assert.equal(siskin.requests[0].max_tokens, 1);
  assert.equal(await session.append('One'), undefined);
  assert.equal(siskin.requests[1].max_tokens, 1);
  assert.deepEqual(siskin.requests[1].messages, [system('S'), user('One')]);
});

test('a stream gives the pieces, and together they are the answer', async () => {
  const { session } = await makeSession();
  const stream = session.promptStreaming('Hello');
  assert.ok(stream instanceof ReadableStream);
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  assert.deepEqual(pieces, ['Fine, ', 'thanks.']);
});

test('an empty answer is an empty text and a stream without pieces', async () => {
  const { siskin, session } = await makeSession();
  siskin.answer = '';
  assert.equal(await session.prompt('x'), '');
  assert.equal(await textOf(session.promptStreaming('x')), '');
});

test('contextUsage counts all tokens of the session', async () => {
  const initial = [system('Be short.'), user('Hi')];
  const { session } = await makeSession({ initialPrompts: initial });
  assert.equal(session.contextUsage, promptTokens(initial));
  assert.equal(await session.measureContextUsage(initial), promptTokens(initial));
  assert.equal(session.contextUsage, promptTokens(initial), 'measuring changes nothing');
  await session.prompt('Hello');
  const two_words = 2;
  const whole = promptTokens([...initial, user('Hello')]) + two_words;
  assert.equal(session.contextUsage, whole);
  assert.equal(session.contextWindow, 200);
  assert.deepEqual([session.inputUsage, session.inputQuota], [whole, 200]);
  const longer = await session.measureContextUsage('x'.repeat(50));
  assert.equal(longer, promptTokens([user('x'.repeat(50))]));
  assert.equal(await session.measureInputUsage('x'.repeat(50)), longer);
  const { session: empty } = await makeSession();
  assert.equal(empty.contextUsage, 0);
});

test('prompts of a session are answered one after the other', async () => {
  const { siskin, session } = await makeSession();
  const order = [];
  siskin.answer = ({ messages }) => `to ${messages.at(-1).content}`;
  await Promise.all([
    session.prompt('1').then((text) => order.push(text)),
    textOf(session.promptStreaming('2')).then((text) => order.push(text)),
    session.append('3').then(() => order.push('appended')),
    session.prompt('4').then((text) => order.push(text)),
  ]);
  assert.deepEqual(order, ['to 1', 'to 2', 'appended', 'to 4']);
  assert.equal(siskin.most_running, 1);
  assert.equal(siskin.requests.at(-1).messages.length, 6);
});

test('a prompt that fails leaves the session as it was, and the next one goes on', async () => {
  const { siskin, session } = await makeSession();
  siskin.failure = 'not_finite';
  const failing = rejection(session.prompt('bad'));
  const error = await failing;
  assert.equal(error.name, 'UnknownError');
  assert.equal(error.cause.code, 'not_finite');
  assert.equal(session.contextUsage, 0);
  siskin.failure = undefined;
  await session.prompt('good');
  assert.deepEqual(siskin.requests.at(-1).messages, [user('good')]);
});

test('a model that was unloaded is an InvalidStateError', async () => {
  const { siskin, session } = await makeSession();
  siskin.failure = 'not_loaded';
  assert.equal((await rejection(session.prompt('x'))).name, 'InvalidStateError');
});

test('a queued prompt that is aborted is not run', async () => {
  const { siskin, session } = await makeSession();
  const stop = new AbortController();
  const first = session.prompt('1');
  const second = rejection(session.prompt('2', { signal: stop.signal }));
  const third = session.prompt('3');
  const error = new Error('mine');
  stop.abort(error);
  assert.equal(await second, error);
  await Promise.all([first, third]);
  assert.deepEqual(
    siskin.requests.map(({ messages }) => messages.at(-1).content),
    ['1', '3'],
  );
});

test('an aborted prompt and its answer are removed from the session', async () => {
  for (const call of [
    (session, options) => session.prompt('gone', options),
    (session, options) => textOf(session.promptStreaming('gone', options)),
  ]) {
    const { siskin, session } = await makeSession({ initialPrompts: [system('S')] });
    const usage = session.contextUsage;
    siskin.answer = 'endless';
    const stop = new AbortController();
    const aborted = rejection(call(session, { signal: stop.signal }));
    await until(() => siskin.running === 1);
    stop.abort();
    const error = await aborted;
    assert.ok(error instanceof DOMException);
    assert.equal(error.name, 'AbortError');
    assert.equal(session.contextUsage, usage);
    siskin.answer = 'Yes.';
    await session.prompt('next');
    assert.deepEqual(siskin.requests.at(-1).messages, [system('S'), user('next')]);
    assert.equal(siskin.running, 0, 'the engine was stopped');
  }
});

test('an aborted append is removed, and one that is complete stays', async () => {
  const { siskin, session } = await makeSession();
  const stop = new AbortController();
  const aborted = rejection(session.append('gone', { signal: stop.signal }));
  await setImmediate();
  stop.abort(5);
  assert.equal(await aborted, 5);
  const late = new AbortController();
  await session.append('stays', { signal: late.signal });
  late.abort();
  await session.prompt('next', { signal: undefined });
  assert.deepEqual(siskin.requests.at(-1).messages, [user('stays'), user('next')]);
});

test('aborting after the answer does nothing', async () => {
  const { siskin, session } = await makeSession();
  const stop = new AbortController();
  await session.prompt('1', { signal: stop.signal });
  stop.abort();
  await session.prompt('2');
  assert.equal(siskin.requests.at(-1).messages.length, 3);
});

test('a signal that has fired rejects, and a stream throws', async () => {
  const { siskin, session } = await makeSession();
  const error = new Error('mine');
  const signal = AbortSignal.abort(error);
  for (const method of ['prompt', 'append', 'measureContextUsage', 'measureInputUsage'])
    assert.equal(await rejection(session[method]('x', { signal })), error, method);
  assert.equal(await rejection(session.clone({ signal })), error);
  assert.throws(
    () => session.promptStreaming('x', { signal }),
    (thrown) => thrown === error,
  );
  assert.equal(siskin.requests.length, 0);
});

test('canceling a stream stops the answer', async () => {
  const siskin = new ScriptedSiskin();
  siskin.info.context_tokens = 1e9;
  const { session } = await makeSession({}, siskin);
  siskin.answer = 'endless';
  const reader = session.promptStreaming('x').getReader();
  await reader.read();
  await reader.cancel();
  await until(() => siskin.running === 0);
  assert.equal(session.contextUsage, 0);
  siskin.answer = 'Yes.';
  assert.equal(await session.prompt('next'), 'Yes.');
});

test('destroy ends what is pending, errors streams, and refuses calls', async () => {
  const { siskin, session } = await makeSession();
  siskin.answer = 'endless';
  const pending = [
    rejection(textOf(session.promptStreaming('1'))),
    rejection(session.prompt('2')),
    rejection(session.append('3')),
    session.measureContextUsage('4'),
  ];
  await until(() => siskin.running === 1);
  session.destroy();
  // The measuring was done before.
  const errors = await Promise.all(pending.slice(0, 3));
  for (const error of errors) assert.equal(error.name, 'AbortError');
  assert.throws(() => session.promptStreaming('x'), { name: 'AbortError' });
  for (const call of [session.prompt('x'), session.clone(), session.measureContextUsage('x')])
    assert.equal(await rejection(call), errors[0]);
  await until(() => siskin.running === 0);
});

test('a clone goes on from there, and ends alone', async () => {
  const { siskin, session } = await makeSession({
    initialPrompts: [system('S')],
    samplingMode: 'predictable',
  });
  await session.prompt('1');
  const clone = await session.clone();
  assert.notEqual(clone, session);
  assert.equal(clone.contextUsage, session.contextUsage);
  assert.equal(clone.samplingMode, 'predictable');
  session.destroy();
  await clone.prompt('2');
  assert.deepEqual(
    siskin.requests.at(-1).messages.map(({ content }) => content),
    ['S', '1', 'Fine, thanks.', '2'],
  );
  const other = await clone.clone();
  await clone.prompt('3');
  await other.prompt('4');
  assert.equal(siskin.requests.at(-1).messages.at(-1).content, '4');
  assert.equal(siskin.requests.at(-1).messages.length, 6);
  const stop = new AbortController();
  const cloning = rejection(clone.clone({ signal: stop.signal }));
  stop.abort(7);
  assert.equal(await cloning, 7);
});

test('the oldest turns are dropped, one at a time, and never what the session began with', async () => {
  const siskin = new ScriptedSiskin();
  const initial = [system('S'.repeat(20)), user('U'.repeat(20))];
  const { session } = await makeSession({ initialPrompts: initial }, siskin);
  const events = [];
  session.addEventListener('contextoverflow', (event) => events.push(event));
  session.oncontextoverflow = ({ type }) => events.push(type);
  session.onquotaoverflow = ({ type }) => events.push(type);
  siskin.answer = 'Yes.';
  await session.prompt('a'.repeat(50));
  await session.prompt('b'.repeat(40));
  assert.deepEqual(events, []);
  await session.prompt('c'.repeat(30));
  assert.equal(events[0].target, session);
  assert.ok(events[0] instanceof Event && !events[0].bubbles && !events[0].cancelable);
  assert.deepEqual(events.slice(1), ['contextoverflow', 'quotaoverflow']);
  const sent = siskin.requests.at(-1).messages;
  assert.deepEqual(
    sent.map(({ content }) => content[0]),
    ['S', 'U', 'b', 'Y', 'c'],
  );
  assert.equal(session.contextUsage, promptTokens(sent) + 1);
});

test('where a count was too low, more turns are dropped', async () => {
  const { siskin, session } = await makeSession();
  await session.append('a'.repeat(60));
  await session.append('b'.repeat(60));
  siskin.tokenize = async () => new Uint32Array(0);
  let overflows = 0;
  session.oncontextoverflow = () => (overflows += 1);
  await session.prompt('c'.repeat(140));
  assert.equal(siskin.requests.at(-2).messages.length, 2, 'the first attempt keeps a turn');
  assert.equal(siskin.requests.at(-1).messages.length, 1);
  assert.equal(overflows, 1);
});

test('what cannot fit is a QuotaExceededError, and nothing is removed', async () => {
  const { siskin, session } = await makeSession({ initialPrompts: [system('S')] });
  await session.prompt('Hello');
  const usage = session.contextUsage;
  let overflows = 0;
  session.oncontextoverflow = () => (overflows += 1);
  for (const call of [
    session.prompt('x'.repeat(300)),
    session.append('x'.repeat(300)),
    textOf(session.promptStreaming('x'.repeat(300))),
    // It fits by itself, and not with what is never dropped.
    session.prompt('x'.repeat(194)),
  ]) {
    const error = await rejection(call);
    assert.ok(error instanceof DOMException);
    assert.equal(error.name, 'QuotaExceededError');
    assert.equal(error.quota, 200);
    assert.ok(error.requested > 200, `${error.requested}`);
  }
  assert.equal(overflows, 0);
  assert.equal(session.contextUsage, usage);
  await session.prompt('again');
  assert.equal(siskin.requests.at(-1).messages.length, 4);
});

test('initial prompts that are too long are a QuotaExceededError', async () => {
  const error = await rejection(makeSession({ initialPrompts: [system('S'.repeat(300))] }));
  assert.equal(error.name, 'QuotaExceededError');
  assert.ok(error.requested > error.quota);
});

test('an abort does not bring back what was dropped', async () => {
  const { siskin, session } = await makeSession();
  siskin.answer = 'Yes.';
  await session.prompt('a'.repeat(100));
  siskin.answer = 'endless';
  const stop = new AbortController();
  const aborted = rejection(session.prompt('b'.repeat(100), { signal: stop.signal }));
  await until(() => siskin.running === 1);
  stop.abort();
  await aborted;
  siskin.answer = 'Yes.';
  await session.prompt('c');
  assert.deepEqual(siskin.requests.at(-1).messages, [user('c')]);
});

test('a system message is first or a TypeError', async () => {
  const { siskin, session } = await makeSession();
  await session.prompt([system('S'), user('1')]);
  assert.deepEqual(siskin.requests[0].messages, [system('S'), user('1')]);
  for (const input of [[system('T')], [system('T'), user('2')], [user('2'), system('T')]])
    for (const method of ['prompt', 'append'])
      assert.ok((await rejection(session[method](input))) instanceof TypeError);
  assert.ok((await rejection(textOf(session.promptStreaming([system('T')])))) instanceof TypeError);
  const late = { initialPrompts: [user('1'), system('S')] };
  assert.ok((await rejection(makeSession(late))) instanceof TypeError);
  const { session: begun } = await makeSession({ initialPrompts: [user('1')] });
  assert.ok((await rejection(begun.append([system('S')]))) instanceof TypeError);
});

test('a system message that came with a prompt is never dropped either', async () => {
  const { siskin, session } = await makeSession();
  siskin.answer = 'Yes.';
  await session.append([system('S'), user('a'.repeat(80))]);
  await session.prompt('b'.repeat(90));
  assert.deepEqual(
    siskin.requests.at(-1).messages.map(({ content }) => content[0]),
    ['S', 'b'],
  );
});

test('a prefix is for the last message, of the assistant', async () => {
  const { siskin, session } = await makeSession();
  const prefixed = (message) => ({ ...message, prefix: true });
  for (const [input, name] of [
    [[prefixed(user('x'))], 'SyntaxError'],
    [[prefixed(assistant('x')), user('y')], 'SyntaxError'],
    [[prefixed(system('x'))], 'SyntaxError'],
  ]) {
    const error = await rejection(session.prompt(input));
    assert.ok(error instanceof DOMException);
    assert.equal(error.name, name);
  }
  const initial = { initialPrompts: [prefixed(assistant('x')), user('y')] };
  assert.equal((await rejection(makeSession(initial))).name, 'SyntaxError');
  assert.equal(siskin.requests.length, 0);
  await session.prompt([{ ...user('x'), prefix: false }]);
});

test('an answer goes on with a prefix, and both are one message of the session', async () => {
  const { siskin, session } = await makeSession();
  const prefix = { ...assistant('The answer:'), prefix: true };
  const answer = await session.prompt([user('x'), prefix]);
  const [first] = siskin.requests;
  assert.equal(first.continue_final_message, true);
  assert.deepEqual(
    first.messages.map(({ role }) => role),
    ['user', 'assistant'],
  );
  await session.prompt('y');
  const { messages, continue_final_message } = siskin.requests.at(-1);
  assert.ok(!continue_final_message);
  assert.deepEqual(
    messages.map(({ role, content }) => [role, content]),
    [
      ['user', 'x'],
      ['assistant', `The answer:${answer}`],
      ['user', 'y'],
    ],
  );
});

test('content that is no text is refused', async () => {
  const { session } = await makeSession();
  const image = { type: 'image', value: new Uint8Array(4) };
  for (const [content, name] of [
    [[image], 'NotSupportedError'],
    [[{ type: 'audio', value: new ArrayBuffer(4) }], 'NotSupportedError'],
    [[{ type: 'tool-response', value: 'x' }], 'NotSupportedError'],
    [[{ type: 'text', value: new ArrayBuffer(4) }], 'TypeError'],
    [[{ type: 'smell', value: 'x' }], 'TypeError'],
    [[{ type: 'text' }], 'TypeError'],
    [undefined, 'TypeError'],
  ])
    for (const role of ['user', 'assistant']) {
      const error = await rejection(session.prompt([{ role, content }]));
      assert.equal(error.name, name, `${role} ${JSON.stringify(content)}`);
    }
});

test('the options of a response constraint are checked', async () => {
  const { session } = await makeSession();
  for (const options of [
    { responseConstraint: 'x' },
    { responseConstraint: null },
    { omitResponseConstraintInput: true },
    { signal: {} },
    7,
  ])
    for (const method of ['prompt', 'measureContextUsage'])
      assert.ok((await rejection(session[method]('x', options))) instanceof TypeError);
  assert.throws(
    () => session.promptStreaming('x', { omitResponseConstraintInput: true }),
    TypeError,
  );
});

test('the sampling mode is told, and samples so', async () => {
  const temperatures = [];
  for (const mode of ['most-predictable', 'predictable', 'creative', 'most-creative']) {
    const { siskin, session } = await makeSession({ samplingMode: mode });
    assert.equal(session.samplingMode, mode);
    await session.prompt('x');
    temperatures.push(siskin.requests[0].temperature);
  }
  assert.equal(temperatures[0], 0);
  assert.deepEqual(
    temperatures.toSorted((a, b) => a - b),
    temperatures,
  );
  const { siskin, session } = await makeSession();
  assert.equal(session.samplingMode, 'balanced');
  await session.prompt('x');
  assert.equal(siskin.requests[0].temperature, undefined);
});

test('templates whose roles alternate get neighbours of one role in one message', async () => {
  const siskin = new ScriptedSiskin();
  const create = siskin.chat.completions.create;
  siskin.chat.completions.create = async (request) => {
    const roles = request.messages.map(({ role }) => role);
    if (roles.some((role, index) => role === roles[index + 1]) || roles.at(-1) === 'system')
      throw Object.assign(new Error('Roles must alternate.'), { code: 'template' });
    return create(request);
  };
  const { session } = await makeSession({ initialPrompts: [system('S')] }, siskin);
  assert.ok(session.contextUsage > 0, 'a system message alone is read with the first prompt');
  await session.append('1');
  await session.prompt('2');
  assert.deepEqual(siskin.requests.at(-1).messages, [system('S'), user('1\n\n2')]);
});

test('event handlers are functions or null', async () => {
  const { session } = await makeSession();
  for (const name of ['oncontextoverflow', 'onquotaoverflow']) {
    assert.equal(session[name], null);
    const handler = () => {};
    session[name] = handler;
    assert.equal(session[name], handler);
    session[name] = 5;
    assert.equal(session[name], null);
  }
});

test('attributes cannot be set', async () => {
  const { session } = await makeSession();
  for (const name of ['contextUsage', 'contextWindow', 'inputUsage', 'inputQuota', 'samplingMode'])
    assert.throws(() => (session[name] = 1), TypeError);
});
