// These tests hold for what `Siskin.load` gives, with workers whose engine only repeats what it is
// told.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import './helpers/unref_ports.mjs';
import { FakeWorker } from './helpers/fake_worker.mjs';
import { Siskin } from '../../www/lib/siskin.js';
import { LastingClient } from '../../www/lib/engine/lasting_client.js';
import { EngineClient } from '../../www/lib/engine/engine_client.js';
import { EngineHost } from '../../www/lib/engine/engine_host.js';
import { FakeRunner } from './helpers/fake_runner.mjs';

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

const URL_A = 'https://example.org/a.gguf';
const URL_B = 'https://example.org/b.gguf';

beforeEach(() => {
  Object.defineProperty(globalThis, 'navigator', {
    value: { hardwareConcurrency: 4, userAgent: 'test' },
    configurable: true,
  });
  globalThis.Worker = FakeWorker;
  globalThis.location = new URL(import.meta.url);
  FakeWorker.runners = [];
});
afterEach(async () => {
  for (const worker of FakeWorker.running) worker.terminate();
  for (let turns = 0; turns < 10; turns++) await setImmediate();
  delete globalThis.Worker;
  delete globalThis.location;
  mock.timers.reset();
});

const request = (content, more) => ({ messages: [{ role: 'user', content }], ...more });
const ask = (siskin, content, more) => siskin.chat.completions.create(request(content, more));
const textOf = async (answer) => (await answer).choices[0].message.content;
const codeOf = (promise) =>
  promise.then(
    () => 'no error',
    ({ code }) => code,
  );

async function until(check, turns = 5000) {
  for (let turn = 0; !(await check()); turn++) {
    assert.ok(turn < turns, 'it does not happen');
    await setImmediate();
  }
}

test('without workers, as on a server, loading is unsupported', async () => {
  delete globalThis.Worker;
  delete globalThis.location;
  await assert.rejects(Siskin.load(URL_A), { code: 'unsupported', message: /browsers/ });
});

test('loads of the same source and options share one engine, and the last ends it', async () => {
  const [one, two, other, options] = await Promise.all([
    Siskin.load(URL_A),
    Siskin.load(new URL(URL_A)),
    Siskin.load(URL_B),
    Siskin.load(URL_A, { contextTokens: 100 }),
  ]);
  assert.equal(FakeWorker.running.size, 3);
  const three = await Siskin.load(URL_A);
  assert.equal(FakeWorker.running.size, 3);
  const open = codeOf(ask(one, 'endless'));
  await until(() => FakeWorker.runners[0].log.includes('endless'));
  await one.unload();
  assert.equal(await open, 'aborted', 'its own calls end');
  assert.equal(await codeOf(one.tokenize('x')), 'not_loaded');
  assert.equal(await textOf(ask(two, 'fine')), 'fine', 'those of the others do not');
  await two.unload();
  await two.unload();
  assert.equal(FakeWorker.running.size, 3);
  await three.unload();
  assert.equal(FakeWorker.running.size, 2, 'unload resolves when the worker is gone');
  await Promise.all([other.unload(), options.unload()]);
  assert.equal(FakeWorker.running.size, 0);
  await (await Siskin.load(URL_A)).unload();
  assert.equal(FakeWorker.runners.length, 4, 'a later load starts another engine');
});

test('signed addresses of a model share an engine, and workers of the page do not', async () => {
  const signed = (signature) => `${URL_A}?X-Amz-Signature=${signature}`;
  const models = [
    await Siskin.load(signed('one')),
    await Siskin.load(signed('two')),
    await Siskin.load(URL_A, { worker: () => new FakeWorker() }),
    await Siskin.load(URL_A, { worker: () => new FakeWorker() }),
  ];
  assert.equal(FakeWorker.running.size, 3);
  await Promise.all(models.map((model) => model.unload()));
  assert.equal(FakeWorker.running.size, 0);
});

test('one of two loads can be aborted; the other goes on', async () => {
  const stop = new AbortController();
  const aborted = Siskin.load(URL_A, { signal: stop.signal });
  const kept = Siskin.load(URL_A);
  stop.abort('unmounted');
  await assert.rejects(aborted, { name: 'AbortError', code: 'aborted', cause: 'unmounted' });
  assert.equal(await textOf(ask(await kept, 'fine')), 'fine');
  assert.equal(FakeWorker.runners.length, 1);
  await (await kept).unload();
});

test('one that joins late hears of the progress', async () => {
  const first = await Siskin.load(URL_A);
  const seen = [];
  const second = await Siskin.load(URL_A, { onProgress: (it) => seen.push(it.loaded_bytes) });
  assert.deepEqual(seen, [1]);
  await Promise.all([first.unload(), second.unload()]);
});

test('the end of a block disposes of a model', async () => {
  const siskin = await Siskin.load(URL_A);
  await siskin[Symbol.asyncDispose]();
  assert.equal(FakeWorker.running.size, 0);
});

test('a model that is forgotten is let go of once its answers are over', async () => {
  let stream = await (async () => ask(await Siskin.load(URL_A), 'a b c d e f', { stream: true }))();
  await until(async () => {
    collectGarbage();
    return FakeWorker.runners[0].steps === 6;
  });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0].delta.content;
  assert.equal(text, 'abcdef');
  stream = undefined;
  await until(() => {
    collectGarbage();
    return FakeWorker.running.size === 0;
  });
});

test('a stream that is forgotten stops, and the next request has its turn', async () => {
  const siskin = await Siskin.load(URL_A);
  await (async () => (await ask(siskin, 'endless', { stream: true })).next())();
  const next = ask(siskin, 'fine');
  let done = false;
  next.finally(() => (done = true));
  await until(() => {
    collectGarbage();
    return done;
  });
  assert.equal(await textOf(next), 'fine');
  await siskin.unload();
});

test('a stream that is held and not read ends after ten seconds if another waits', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const siskin = await Siskin.load(URL_A);
  const stream = await ask(siskin, 'endless', { stream: true });
  await stream.next();
  const next = ask(siskin, 'fine');
  const { runner } = [...FakeWorker.running][0];
  await until(() => runner.steps > 30);
  for (const [ms, ends] of [
    [9000, false],
    [2000, true],
  ]) {
    mock.timers.tick(ms);
    const { steps } = runner;
    await until(() => runner.steps > steps + 30 || runner.log.includes('fine'));
    assert.equal(runner.log.includes('fine'), ends, `after ${ms} ms more`);
  }
  assert.equal(await textOf(next), 'fine');
  const drain = async () => {
    for await (const _ of stream);
  };
  await assert.rejects(drain(), { code: 'aborted', message: /Nobody read/ });
  mock.timers.reset();
  await siskin.unload();
});

test('calls of next that wait together get the chunks in their order', async () => {
  const siskin = await Siskin.load(URL_A);
  const stream = await ask(siskin, 'a b c', { stream: true });
  const taken = await Promise.all(Array.from({ length: 5 }, () => stream.next()));
  assert.deepEqual(
    taken.map(({ value, done }) => (done ? 'done' : value.choices[0].delta.content)),
    ['a', 'b', 'c', 'done', 'done'],
  );
  const endless = await ask(siskin, 'endless', { stream: true });
  const waiting = Array.from({ length: 1000 }, () => endless.next());
  await endless.return();
  assert.ok((await Promise.all(waiting)).at(-1).done, 'return ends those that wait');
  await siskin.unload();
});

test('usage comes once, in the last chunk', async () => {
  const siskin = await Siskin.load(URL_A);
  for (const [stream_options, usages] of [
    [undefined, [undefined, 2]],
    [{ include_usage: false }, [undefined, 2]],
    [{ include_usage: true }, [null, null, 2]],
  ]) {
    const chunks = [];
    for await (const chunk of await ask(siskin, 'a b', { stream: true, stream_options }))
      chunks.push(chunk);
    assert.deepEqual(
      chunks.map(({ usage }) => usage && usage.completion_tokens),
      usages,
    );
    assert.deepEqual(
      chunks.map(({ choices }) => choices[0]?.finish_reason),
      usages.length === 3 ? [null, 'stop', undefined] : [null, 'stop'],
    );
  }
  await siskin.unload();
});

test('aborts are AbortErrors with the reason as their cause', async () => {
  const siskin = await Siskin.load(URL_A);
  const reason = new Error('left the page');
  const stop = new AbortController();
  const answers = [
    ask(siskin, 'endless', { signal: stop.signal }),
    siskin.chat.completions.create(request('endless'), { signal: stop.signal }),
    siskin.score([1], { signal: stop.signal }),
  ].map((call) => call.catch((error) => error));
  await until(() => FakeWorker.runners[0].log.includes('endless'));
  stop.abort(reason);
  for (const error of [
    ...(await Promise.all(answers)),
    await ask(siskin, 'x', { signal: stop.signal }).catch((error) => error),
    await Siskin.load(URL_B, { signal: stop.signal }).catch((error) => error),
  ])
    assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'aborted', reason]);
  assert.equal((await siskin.score([1], { signal: undefined })).most_likely[0], 1);
  await siskin.unload();
});

test('a signal of another realm is one', async () => {
  const siskin = await Siskin.load(URL_A);
  const listeners = [];
  const signal = {
    aborted: false,
    reason: undefined,
    addEventListener: (_, listener) => listeners.push(listener),
    removeEventListener() {},
  };
  const answer = ask(siskin, 'endless', { signal });
  await until(() => FakeWorker.runners[0].log.includes('endless'));
  Object.assign(signal, { aborted: true, reason: 'so' });
  listeners.forEach((listener) => listener());
  await assert.rejects(answer, { code: 'aborted', cause: 'so' });
  await siskin.unload();
});

test('an unknown field or option is answered with all there are', async () => {
  const siskin = await Siskin.load(URL_A);
  const { message } = await ask(siskin, 'x', { temprature: 1 }).catch((error) => error);
  for (const name of ['temprature', 'stream', 'signal', 'model', 'stream_options', 'top_k', 'stop'])
    assert.ok(message.includes(name), `${name}: ${message}`);
  const load = await Siskin.load(URL_A, { colour: 1 }).catch((error) => error);
  assert.match(load.message, /shared/);
  await siskin.unload();
});

/** Returns a client of an engine of its own. */
async function engine(change = (runner) => runner) {
  const { port1, port2 } = new MessageChannel();
  const host = new EngineHost(change(new FakeRunner()));
  host.serve(port2, { is_owner: true });
  const client = new EngineClient(port1);
  await client.call({ type: 'load', source: { url: 'm' } }).result;
  return { client, close: () => port1.close() };
}

test('an answer goes on with another engine where it was', async () => {
  const lasting = new LastingClient();
  const first = await engine();
  const second = await engine();
  const words = Array.from({ length: 40 }, (_, i) => `w${i}`);
  const seen = [];
  const { result } = lasting.call(
    { type: 'chat', request: request(words.join(' ')) },
    { onMessage: (message) => seen.push(message) },
  );
  const info = lasting.call({ type: 'info' }).result;
  lasting.attach(first.client);
  await until(() => seen.length > 10);
  first.close();
  await setImmediate();
  assert.equal((await info).name, 'fake');
  lasting.attach(second.client);
  await result;
  assert.deepEqual(
    seen.flatMap(({ type, value }) => (type === 'event' ? [value.text] : [])),
    words,
  );
  assert.equal(seen.filter(({ type }) => type === 'started').length, 1);
  second.close();
});

test('an answer that another engine begins otherwise fails with engine_gone', async () => {
  const lasting = new LastingClient();
  const first = await engine();
  const second = await engine((runner) => {
    const { answer } = runner;
    runner.answer = (given, on) => answer.call(runner, request('other words here'), on);
    return runner;
  });
  let events = 0;
  const { result } = lasting.call(
    { type: 'chat', request: request('one two three four five six') },
    { onMessage: ({ type }) => (events += type === 'event') },
  );
  lasting.attach(first.client);
  await until(() => events > 1);
  lasting.attach(second.client);
  assert.equal(await codeOf(result), 'engine_gone');
  first.close();
  second.close();
});

test('a request has a seed when it may be made again', async () => {
  const lasting = new LastingClient();
  const given = [];
  const { client, close } = await engine((runner) => {
    const { answer } = runner;
    runner.answer = (asked, on) => {
      given.push(asked.seed);
      return answer.call(runner, asked, on);
    };
    return runner;
  });
  lasting.attach(client);
  for (const seed of [undefined, null, 7])
    await lasting.call({ type: 'chat', request: request('a', { seed }) }).result;
  assert.ok(Number.isSafeInteger(given[0]) && Number.isSafeInteger(given[1]));
  assert.ok(given[0] !== given[1] && given[2] === 7);
  close();
});
