// These tests hold for the protocol between pages and an engine, over ports of several kinds, with
// an engine that only repeats what it is told.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import './helpers/unref_ports.mjs';
import { EngineClient } from '../../www/lib/engine/engine_client.js';
import { EngineHost } from '../../www/lib/engine/engine_host.js';
import { Siskin } from '../../www/lib/siskin.js';
import { FakeRunner, runtimePorts } from './helpers/fake_runner.mjs';

/** A port that is open keeps this process alive. */
let open = [];
afterEach(() => open.splice(0).forEach((port) => port.close?.()));

function channel() {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  return [port1, port2];
}

/** Starts a host, with its owner's client, which loads unless the test does. */
function start({ loads = true } = {}) {
  const runner = new FakeRunner();
  const host = new EngineHost(runner);
  const [page, engine] = channel();
  host.serve(engine, { is_owner: true });
  const owner = new EngineClient(page, { same_build: true });
  const load = () => owner.call({ type: 'load', source: { kind: 'url', url: 'm' } }).result;
  const loaded = loads ? load() : undefined;
  loaded?.catch(() => {});
  const connect = () => {
    const [page, engine] = channel();
    host.serve(engine);
    return new EngineClient(page);
  };
  return { runner, host, owner, loaded, load, connect };
}

/** Asks, and collects what the answer says. */
function ask(client, content, options) {
  const call = client.call(
    { type: 'chat', request: { messages: [{ role: 'user', content }] } },
    {
      ...options,
      onMessage: (message) => message.type === 'event' && texts.push(message.value.text),
    },
  );
  const texts = [];
  call.text = call.result.then(() => texts.join(' '));
  call.text.catch(() => {});
  call.result.catch(() => {});
  return call;
}

const codeOf = (promise) =>
  promise.then(
    () => 'no error',
    ({ code }) => code,
  );

async function until(check) {
  for (let turns = 0; !check(); turns++) {
    assert.ok(turns < 10_000, 'it does not happen');
    await setImmediate();
  }
}

test('each end says hello first', async () => {
  const [page, engine] = channel();
  const heard = { page: [], engine: [] };
  page.onmessage = ({ data }) => heard.page.push(data);
  const host = new EngineHost(new FakeRunner());
  host.serve(engine, { is_owner: true });
  await until(() => heard.page.length > 0);
  assert.deepEqual(heard.page, [{ type: 'hello', protocol: 2, build: 'source' }]);
  const [other, end] = channel();
  end.onmessage = ({ data }) => heard.engine.push(data);
  const client = new EngineClient(other);
  client.call({ type: 'info' });
  await setImmediate();
  assert.deepEqual(heard.engine, [], 'nothing is sent before the engine has said hello');
  end.postMessage({ type: 'hello', protocol: 2, build: 'another' });
  await until(() => heard.engine.length === 2);
  assert.deepEqual(heard.engine, [
    { type: 'hello', protocol: 2, build: 'source' },
    { type: 'info', id: 1 },
  ]);
});

for (const [what, hello, same_build] of [
  ['another version of the protocol', { type: 'hello', protocol: 3, build: 'source' }, false],
  ['another build, behind its own page', { type: 'hello', protocol: 2, build: 'old' }, true],
  ['a version without a hello', { type: 'progress', id: 1, value: {} }, false],
])
  test(`an engine of ${what} is a version_mismatch`, async () => {
    const [page, engine] = channel();
    const client = new EngineClient(page, { same_build });
    const { result } = client.call({ type: 'info' });
    engine.postMessage(hello);
    await assert.rejects(result, { code: 'version_mismatch', message: /Reload the page/ });
    assert.throws(() => client.call({ type: 'info' }), { code: 'version_mismatch' });
  });

test('a page of another version is not served, and told so if it is old', async () => {
  const runner = new FakeRunner();
  const host = new EngineHost(runner);
  const load = { type: 'load', id: 1, source: { url: 'm' } };
  for (const first of [load, { type: 'hello', protocol: 3, build: 'source' }]) {
    const [page, engine] = channel();
    const heard = [];
    page.onmessage = ({ data }) => heard.push(data);
    host.serve(engine, { is_owner: true });
    page.postMessage(first);
    page.postMessage(load);
    await until(() => heard.length === (first === load ? 2 : 1));
    await setImmediate();
    if (first === load) assert.match(heard[1].message, /Reload the page/);
    assert.equal(heard[1]?.type, first === load ? 'crashed' : undefined);
  }
  assert.deepEqual(runner.log, []);
});

test('only its own page may load and unload an engine', async () => {
  const { runner, connect, loaded } = start();
  await loaded;
  const guest = connect();
  guest.call({ type: 'load', source: { url: 'other' } }).result.catch(() => {});
  guest.send({ type: 'unload' });
  assert.equal(await guest.call({ type: 'memory' }).result, 1000);
  assert.deepEqual([runner.log, runner.unloaded], [['load m'], false]);
});

test('clients wait for the model, hear of its progress, and of its failure', async () => {
  const { runner, connect, load, owner } = start({ loads: false });
  const client = connect();
  const heard = [];
  const info = client.call({ type: 'info' }, { onMessage: (it) => heard.push(it.value) }).result;
  const early = ask(client, 'a b');
  const loaded = load();
  assert.equal((await info).name, 'fake');
  assert.deepEqual(heard, [{ loaded_bytes: 1, total_bytes: 2 }]);
  assert.equal(await early.text, 'a b');
  await loaded;
  runner.onMoved({ backend: 'cpu', gpu_refusal_code: 'gpu_lost' });
  const late = connect();
  assert.equal((await late.call({ type: 'info' }).result).backend, 'cpu');
  owner.send({ type: 'close' });

  const failing = start({ loads: false });
  failing.runner.failure = Object.assign(new Error('Bad.'), { code: 'not_gguf' });
  const waiting = failing.connect();
  const codes = [waiting.call({ type: 'info' }).result, ask(waiting, 'x').result].map(codeOf);
  assert.equal(await codeOf(failing.load()), 'not_gguf');
  codes.push(codeOf(failing.connect().call({ type: 'info' }).result));
  assert.deepEqual(await Promise.all(codes), Array(3).fill('not_gguf'));
});

test('clients take turns, and each keeps its order', async () => {
  const { runner, connect, loaded } = start();
  await loaded;
  const [greedy, modest, third] = [connect(), connect(), connect()];
  const long = Array(50).fill('g1').join(' ');
  const order = [long, 'g2', 'g3', 'g4'].map((words) => ask(greedy, words).result);
  await until(() => runner.log.includes(long));
  order.push(...['m1', 'm2'].map((word) => ask(modest, word).result));
  order.push(ask(third, 't1').result);
  await Promise.all(order);
  assert.deepEqual(runner.log.slice(2), ['m1', 'g2', 't1', 'm2', 'g3', 'g4']);
});

test('eight requests at once get their own answers', async () => {
  const { connect, loaded } = start();
  await loaded;
  const clients = [connect(), connect()];
  const asked = Array.from({ length: 8 }, (_, i) => `${i} a${i} b${i} c${i}`);
  const answers = asked.map((content, i) => ask(clients[i % 2], content).text);
  assert.deepEqual(await Promise.all(answers), asked);
});

test('each call can be aborted, whether it waits or runs', async () => {
  const { runner, connect, loaded } = start();
  await loaded;
  const [a, b] = [connect(), connect()];
  const stop = new AbortController();
  const running = ask(a, 'endless', { signal: stop.signal });
  const waiting = ask(a, 'never');
  const other = ask(b, 'fine');
  await until(() => runner.log.includes('endless'));
  waiting.cancel();
  stop.abort(new Error('enough'));
  await assert.rejects(running.result, (error) => {
    assert.deepEqual([error.code, error.name], ['aborted', 'AbortError']);
    assert.equal(error.cause.message, 'enough');
    return true;
  });
  assert.equal(await codeOf(waiting.result), 'aborted');
  assert.equal(await other.text, 'fine');
  assert.deepEqual(runner.log.slice(1), ['endless', 'fine']);
});

for (const how of ['close', 'port'])
  test(`the calls of a client that is gone end: ${how}`, async () => {
    const { runner, host, connect, loaded } = start();
    await loaded;
    const [page, engine] = channel();
    host.serve(engine);
    const gone = new EngineClient(page);
    ask(gone, 'endless');
    ask(gone, 'never');
    const other = connect();
    await until(() => runner.log.includes('endless'));
    if (how === 'close') gone.close(new Error('x'), new Error('x'));
    else page.close();
    assert.equal(await ask(other, 'fine').text, 'fine');
    assert.deepEqual(runner.log.slice(1), ['endless', 'fine']);
  });

test('an answer that nobody reads ends when another request waits, and not before', async () => {
  const { runner, connect, loaded } = start();
  await loaded;
  const [sleepy, other] = [connect(), connect()];
  const unread = ask(sleepy, 'endless');
  await until(() => runner.steps > 3);
  unread.setIdle(true);
  const { steps } = runner;
  await until(() => runner.steps > steps + 20);
  unread.setIdle(false);
  const waiting = ask(other, 'fine');
  await until(() => runner.steps > steps + 40);
  unread.setIdle(true);
  assert.equal(await waiting.text, 'fine');
  await assert.rejects(unread.result, { code: 'aborted', message: /Nobody read/ });
});

test('a crash ends every client, an error of a call only that call', async () => {
  const { connect, loaded } = start();
  await loaded;
  const [a, b] = [connect(), connect()];
  assert.equal(await codeOf(ask(a, 'refused').result), 'invalid_argument');
  const waiting = ask(b, 'endless');
  waiting.cancel();
  const codes = [
    ask(a, 'trap').result,
    b.call({ type: 'memory' }).result.then(() => ask(b, 'x').result),
  ];
  assert.deepEqual(await Promise.all(codes.map(codeOf)), ['worker_failed', 'worker_failed']);
});

test('unloading tells the others that the engine is gone', async () => {
  const { runner, owner, connect, loaded } = start();
  await loaded;
  const guest = connect();
  const call = ask(guest, 'endless');
  await until(() => runner.log.includes('endless'));
  owner.send({ type: 'unload' });
  assert.equal(await codeOf(call.result), 'engine_gone');
  await until(() => runner.unloaded);
});

for (const kind of ['MessagePort', 'runtime.Port', 'BroadcastChannel'])
  test(`Siskin.connect speaks over a ${kind}`, async () => {
    const { host, runner, loaded } = start();
    await loaded;
    const ports = {
      MessagePort: channel,
      'runtime.Port': runtimePorts,
      BroadcastChannel: () => [
        new BroadcastChannel('siskin test'),
        new BroadcastChannel('siskin test'),
      ],
    };
    const [page, engine] = ports[kind]();
    open.push(page, engine);
    const seen = [];
    const connecting = Siskin.connect(page, { onProgress: (it) => seen.push(it) });
    host.serve(engine);
    const siskin = await connecting;
    assert.deepEqual([siskin.info.name, seen.length], ['fake', 1]);
    const ids = await siskin.tokenize('ab');
    assert.ok(ids instanceof Uint32Array);
    assert.deepEqual([...ids], [97, 98]);
    assert.equal(await siskin.detokenize(ids), 'ab');
    assert.deepEqual((await siskin.score(ids)).most_likely, [97, 98]);
    const messages = [{ role: 'user', content: 'one two' }];
    const answer = await siskin.chat.completions.create({ messages });
    assert.equal(answer.choices[0].message.content, 'onetwo');
    runner.onMoved({ backend: 'cpu' });
    await siskin.memoryBytes();
    assert.equal(siskin.info.backend, 'cpu');
    await siskin.unload();
    await siskin.unload();
    assert.equal(await codeOf(siskin.tokenize('x')), 'not_loaded');
    assert.equal(runner.unloaded, false, 'the engine belongs to its own page');
  });

test('a page serves its engine to others, over a port that carries JSON too', async () => {
  const { host, loaded } = start();
  await loaded;
  const [page, engine] = channel();
  host.serve(engine);
  const siskin = await Siskin.connect(page);
  for (const ports of [channel, runtimePorts]) {
    const [here, there] = ports();
    await siskin.serve(here);
    const other = await Siskin.connect(there);
    assert.deepEqual([...(await other.tokenize('ab'))], [97, 98]);
    await other.unload();
  }
  assert.equal(await codeOf(siskin.serve({})), 'invalid_argument');
  await siskin.unload();
});

test('connecting can be aborted, and fails with the port', async () => {
  const [page] = channel();
  assert.equal(await codeOf(Siskin.connect(page, { signal: AbortSignal.timeout(5) })), 'aborted');
  const [other, end] = channel();
  const connecting = codeOf(Siskin.connect(other));
  await setImmediate();
  end.close();
  assert.equal(await connecting, 'engine_gone');
  assert.equal(await codeOf(Siskin.connect(5)), 'invalid_argument');
});
