// These tests hold for `create` and `availability` of the built-in AI interfaces, as the drafts
// order their steps, with a model that only plays.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ScriptedSiskin, rejection } from './helpers/scripted_siskin.mjs';
import { QuotaExceededError, createBuiltinAi, installBuiltinAi } from '../../www/lib/builtin_ai.js';
import { Siskin } from '../../www/lib/siskin.js';

const ALL = [
  ['LanguageModel', {}],
  ['Rewriter', {}],
  ['Writer', {}],
  ['Summarizer', {}],
  ['Translator', { sourceLanguage: 'en', targetLanguage: 'ja' }],
  ['LanguageDetector', {}],
];
const OF_MODEL = ALL.filter(([name]) => name !== 'LanguageDetector');
const MODEL = 'https://example.org/model.gguf';

/** The loads that were begun: a test settles them. */
let loads = [];
let activation;

beforeEach(() => {
  loads = [];
  activation = { isActive: true, hasBeenActive: true };
  Object.defineProperty(globalThis, 'navigator', {
    value: { userActivation: activation, onLine: true },
    configurable: true,
  });
  globalThis.Worker = class {};
  mock.method(Siskin, 'load', (source, { signal, onProgress }) => {
    const load = { source, signal, onProgress, siskin: new ScriptedSiskin() };
    loads.push(load);
    return new Promise((resolve, reject) => {
      load.done = () => resolve(load.siskin);
      load.fail = (code) => reject(Object.assign(new Error(code), { code }));
      signal.addEventListener('abort', () => load.fail('aborted'));
    });
  });
});
afterEach(() => {
  mock.restoreAll();
  delete globalThis.Worker;
  delete globalThis.navigator;
  delete globalThis.document;
});

async function until(check) {
  for (const end_ms = Date.now() + 10_000; !(await check()); await setImmediate())
    assert.ok(Date.now() < end_ms, 'it does not happen');
}

/** Loads at once. */
const loadsItself = () =>
  mock.method(Siskin, 'load', async (_source, { onProgress }) => {
    onProgress({ loaded_bytes: 0, total_bytes: 10 });
    onProgress({ loaded_bytes: 10, total_bytes: 10 });
    return new ScriptedSiskin();
  });

test('availability follows the download', async () => {
  const { LanguageModel } = createBuiltinAi({ model: MODEL });
  assert.equal(await LanguageModel.availability(), 'downloadable');
  const created = LanguageModel.create();
  await until(() => loads.length === 1);
  assert.equal(await LanguageModel.availability(), 'downloading');
  loads[0].done();
  await created;
  assert.equal(await LanguageModel.availability(), 'available');
});

test('a model that is loaded is available, and one without a chat template is not', async () => {
  const model = new ScriptedSiskin();
  for (const [name, options] of ALL) {
    const ai = createBuiltinAi({ model });
    assert.equal(await ai[name].availability(options), 'available', name);
  }
  model.info.has_chat_template = false;
  const { LanguageModel } = createBuiltinAi({ model });
  assert.equal(await LanguageModel.availability(), 'unavailable');
  assert.equal((await rejection(LanguageModel.create())).name, 'NotSupportedError');
});

test('where models cannot run, only what needs none is available', async () => {
  delete globalThis.Worker;
  const ai = createBuiltinAi({ model: MODEL });
  for (const [name, options] of OF_MODEL)
    assert.equal(await ai[name].availability(options), 'unavailable', name);
  assert.equal(await ai.LanguageDetector.availability(), 'available');
});

test('all interfaces share one model, which loads at the first create', async () => {
  loadsItself();
  const ai = createBuiltinAi({ model: MODEL });
  assert.equal(Siskin.load.mock.callCount(), 0);
  await Promise.all(ALL.map(([name, options]) => ai[name].create(options)));
  assert.equal(Siskin.load.mock.callCount(), 1);
});

test('a download needs a user activation, and the next create does not', async () => {
  loadsItself();
  activation.isActive = activation.hasBeenActive = false;
  for (const [name, options] of OF_MODEL) {
    const error = await rejection(createBuiltinAi({ model: MODEL })[name].create(options));
    assert.ok(error instanceof DOMException);
    assert.equal(error.name, 'NotAllowedError', name);
  }
  // A click at any time is enough, but for what the translation API has.
  activation.hasBeenActive = true;
  for (const [name, options] of OF_MODEL) {
    const creating = createBuiltinAi({ model: MODEL })[name].create(options);
    if (name === 'Translator') assert.equal((await rejection(creating)).name, 'NotAllowedError');
    else await creating;
  }
  activation.isActive = true;
  const ai = createBuiltinAi({ model: MODEL });
  await ai.Translator.create({ sourceLanguage: 'en', targetLanguage: 'ja' });
  activation.isActive = activation.hasBeenActive = false;
  await ai.LanguageModel.create();
});

test('the monitor is called before create returns, and hears from 0 to 1', async () => {
  let now_ms = 0;
  mock.method(performance, 'now', () => now_ms);
  for (const [name, options] of OF_MODEL) {
    loads = [];
    const events = [];
    let settled = false;
    const created = createBuiltinAi({ model: MODEL })[name].create({
      ...options,
      monitor: (monitor) => {
        events.push('monitor');
        assert.ok(monitor instanceof EventTarget);
        assert.equal(String(monitor), '[object CreateMonitor]');
        monitor.addEventListener('downloadprogress', (event) => {
          assert.ok(event instanceof ProgressEvent);
          assert.equal(event.lengthComputable, true);
          assert.equal(event.total, 1);
          assert.equal(settled, false);
          events.push(event.loaded);
        });
      },
    });
    assert.deepEqual(events, ['monitor']);
    await until(() => loads.length === 1);
    const [load] = loads;
    // What was there before does not count.
    load.onProgress({ loaded_bytes: 100, total_bytes: 400 });
    now_ms += 50;
    load.onProgress({ loaded_bytes: 150, total_bytes: 400 });
    now_ms += 1;
    load.onProgress({ loaded_bytes: 200, total_bytes: 400 });
    load.onProgress({ loaded_bytes: 250, total_bytes: 400 });
    load.onProgress({ loaded_bytes: 400, total_bytes: 400 });
    load.done();
    await created;
    settled = true;
    assert.deepEqual(events, ['monitor', 0, 0.3333282470703125, 1], 'in steps of 1 / 65,536');
  }
});

test('of a model that is there, the monitor hears 0 and 1', async () => {
  for (const [name, options] of ALL) {
    const loaded = [];
    await createBuiltinAi({ model: new ScriptedSiskin() })[name].create({
      ...options,
      monitor: (monitor) => (monitor.ondownloadprogress = (event) => loaded.push(event.loaded)),
    });
    assert.deepEqual(loaded, [0, 1], name);
  }
});

test('a file is there before it is loaded, and of one of unknown size only the end is told', async () => {
  for (const [model, before] of [
    [new Blob(['model']), [0, 1]],
    [MODEL, [0]],
  ]) {
    loads = [];
    const { LanguageModel } = createBuiltinAi({ model });
    assert.equal(
      await LanguageModel.availability(),
      before.length === 2 ? 'available' : 'downloadable',
    );
    const loaded = [];
    const created = LanguageModel.create({
      monitor: (monitor) => (monitor.ondownloadprogress = (event) => loaded.push(event.loaded)),
    });
    await until(() => loads.length === 1);
    loads[0].onProgress({ loaded_bytes: 5, total_bytes: null });
    assert.deepEqual(loaded, before);
    loads[0].done();
    await created;
    assert.deepEqual(loaded, [0, 1]);
  }
});

test('a model that turns out to have no chat template is not supported', async () => {
  const { LanguageModel } = createBuiltinAi({ model: MODEL });
  const created = rejection(LanguageModel.create());
  await until(() => loads.length === 1);
  loads[0].siskin.info.has_chat_template = false;
  loads[0].done();
  assert.equal((await created).name, 'NotSupportedError');
  assert.equal(await LanguageModel.availability(), 'unavailable');
});

test('create rejects with what the monitor throws, and fires nothing', async () => {
  for (const [name, options] of ALL) {
    const error = new Error('monitor');
    let fired = 0;
    const monitor = (target) => {
      target.addEventListener('downloadprogress', () => (fired += 1));
      throw error;
    };
    const ai = createBuiltinAi({ model: new ScriptedSiskin() });
    assert.equal(await rejection(ai[name].create({ ...options, monitor })), error);
    await setImmediate();
    assert.equal(fired, 0);
  }
});

test('what is wrong with options comes before the signal, the signal before the monitor', async () => {
  const signal = AbortSignal.abort(new Error('mine'));
  for (const [name, options] of ALL) {
    const ai = createBuiltinAi({ model: new ScriptedSiskin() });
    const monitor = () => assert.fail('the monitor is called');
    const wrong =
      name === 'LanguageModel'
        ? { samplingMode: 'wild' }
        : name === 'Translator'
          ? { sourceLanguage: 'en' }
          : { expectedInputLanguages: 'en' };
    const creating = ai[name].create({
      ...options,
      targetLanguage: undefined,
      ...wrong,
      signal,
      monitor,
    });
    assert.ok((await rejection(creating)) instanceof TypeError, name);
    assert.equal(await rejection(ai[name].create({ ...options, signal, monitor })), signal.reason);
  }
});

test('options of the wrong types are TypeErrors, and no language tag a RangeError', async () => {
  const ai = createBuiltinAi({ model: new ScriptedSiskin() });
  const wrong = [
    ['LanguageModel', 5],
    ['LanguageModel', { signal: {} }],
    ['LanguageModel', { monitor: 'x' }],
    ['LanguageModel', { samplingMode: 'default' }],
    ['LanguageModel', { expectedInputs: {} }],
    ['LanguageModel', { expectedInputs: [{ type: 'smell' }] }],
    ['LanguageModel', { expectedInputs: [{}] }],
    ['LanguageModel', { tools: [{ name: 'x', description: 'x', inputSchema: {} }] }],
    ['LanguageModel', { initialPrompts: 'x' }],
    ['LanguageModel', { initialPrompts: [{ role: 'robot', content: '' }] }],
    ['LanguageModel', { initialPrompts: [{ role: 'user' }] }],
    ['Rewriter', { tone: 'formal' }],
    ['Rewriter', { format: 'html' }],
    ['Rewriter', { length: 'short' }],
    ['Writer', { tone: 'as-is' }],
    ['Writer', { length: 'longer' }],
    ['Summarizer', { type: 'poem' }],
    ['Summarizer', { format: 'as-is' }],
    ['Summarizer', { length: 'shorter' }],
    ['Summarizer', { preference: 'best' }],
    ['Translator', undefined],
    ['Translator', { targetLanguage: 'en' }],
  ];
  for (const [name, options] of wrong) {
    const what = `${name} ${JSON.stringify(options)}`;
    assert.ok((await rejection(ai[name].create(options))) instanceof TypeError, what);
    if (!options?.signal && !options?.monitor)
      assert.ok(
        options?.initialPrompts ||
          (await rejection(ai[name].availability(options))) instanceof TypeError,
        what,
      );
  }
  for (const [name, options] of [
    ['LanguageModel', { expectedInputs: [{ type: 'text', languages: ['en_US'] }] }],
    ['LanguageModel', { expectedOutputs: [{ type: 'text', languages: ['-'] }] }],
    ['Rewriter', { expectedInputLanguages: ['en-abc-'] }],
    ['Writer', { expectedContextLanguages: ['i'] }],
    ['Summarizer', { outputLanguage: '' }],
    ['Translator', { sourceLanguage: 'en', targetLanguage: '1' }],
    ['LanguageDetector', { expectedInputLanguages: ['en', '!'] }],
  ]) {
    assert.ok((await rejection(ai[name].create(options))) instanceof RangeError, name);
    assert.ok((await rejection(ai[name].availability(options))) instanceof RangeError, name);
  }
});

test('an abort rejects create at once, with its reason', async () => {
  for (const [name, options] of OF_MODEL) {
    loads = [];
    const { [name]: Interface } = createBuiltinAi({ model: MODEL });
    const stop = new AbortController();
    const fired = [];
    const monitor = (target) => target.addEventListener('downloadprogress', () => fired.push(1));
    const created = Interface.create({ ...options, signal: stop.signal, monitor });
    await until(() => loads.length === 1);
    const before = fired.length;
    const error = new Error('mine');
    loads[0].onProgress({ loaded_bytes: 0, total_bytes: 5 });
    stop.abort(error);
    loads[0].onProgress({ loaded_bytes: 5, total_bytes: 5 });
    assert.equal(await rejection(created), error);
    loads[0].onProgress({ loaded_bytes: 5, total_bytes: 5 });
    assert.equal(fired.length, before, 'no event after the abort');
    assert.equal(loads[0].signal.aborted, true, 'nobody waits for the download');
    assert.equal(await Interface.availability(options), 'downloadable');
    const plain = new AbortController();
    const other = Interface.create({ ...options, signal: plain.signal });
    plain.abort();
    const { name: error_name } = await rejection(other);
    assert.equal(error_name, 'AbortError');
  }
});

test('a download goes on while somebody waits for it', async () => {
  const { LanguageModel, Rewriter } = createBuiltinAi({ model: MODEL });
  const stop = new AbortController();
  const gone = rejection(LanguageModel.create({ signal: stop.signal }));
  const stays = Rewriter.create();
  await until(() => loads.length === 1);
  await setImmediate();
  stop.abort();
  await gone;
  assert.equal(loads[0].signal.aborted, false);
  loads[0].done();
  await stays;
});

test('an abort after create destroys the object with that reason', async () => {
  const ai = createBuiltinAi({ model: new ScriptedSiskin() });
  const calls = {
    LanguageModel: (it) => [
      it.prompt('x'),
      it.append('x'),
      it.measureContextUsage('x'),
      it.clone(),
    ],
    Rewriter: (it) => [it.rewrite('x'), it.measureInputUsage('x')],
    Writer: (it) => [it.write('x'), it.measureInputUsage('x')],
    Summarizer: (it) => [it.summarize('x'), it.measureInputUsage('x')],
    Translator: (it) => [it.translate('x'), it.measureInputUsage('x')],
    LanguageDetector: (it) => [it.detect('x'), it.measureInputUsage('x')],
  };
  for (const [name, options] of ALL) {
    const stop = new AbortController();
    const object = await ai[name].create({ ...options, signal: stop.signal });
    const pending = calls[name](object).map(rejection);
    const error = new Error('mine');
    stop.abort(error);
    for (const after of calls[name](object).map(rejection)) assert.equal(await after, error, name);
    for (const before of pending) assert.equal(await before, error, name);
    const other = await ai[name].create(options);
    const ended = calls[name](other).map(rejection);
    other.destroy();
    other.destroy();
    for (const promise of [...ended, ...calls[name](other).map(rejection)]) {
      const reason = await promise;
      assert.ok(reason instanceof DOMException);
      assert.equal(reason.name, 'AbortError', name);
    }
  }
});

test('a failed download is a NetworkError, another failure an OperationError', async () => {
  for (const [code, name, after] of [
    ['network', 'NetworkError', 'downloadable'],
    ['http_status', 'NetworkError', 'downloadable'],
    ['out_of_memory', 'OperationError', 'downloadable'],
    ['not_gguf', 'OperationError', 'unavailable'],
  ]) {
    loads = [];
    const { LanguageModel } = createBuiltinAi({ model: MODEL });
    const created = rejection(LanguageModel.create());
    await until(() => loads.length === 1);
    loads[0].fail(code);
    const error = await created;
    assert.equal(error.name, name, code);
    assert.equal(error.cause.code, code);
    assert.equal(await LanguageModel.availability(), after, code);
    if (after === 'unavailable')
      assert.equal((await rejection(LanguageModel.create())).name, 'NotSupportedError');
  }
});

test('what the engine has not is unavailable, and create refuses it', async () => {
  const { LanguageModel } = createBuiltinAi({ model: new ScriptedSiskin() });
  const tool = { name: 't', description: 't', inputSchema: {}, execute: async () => '' };
  for (const options of [
    { expectedInputs: [{ type: 'image' }] },
    { expectedInputs: [{ type: 'text' }, { type: 'audio' }] },
    { expectedInputs: [{ type: 'tool-response' }] },
    { expectedOutputs: [{ type: 'image' }] },
    { expectedOutputs: [{ type: 'tool-call' }] },
  ]) {
    assert.equal(await LanguageModel.availability(options), 'unavailable');
    assert.equal((await rejection(LanguageModel.create(options))).name, 'NotSupportedError');
  }
  const fine = { tools: [tool], expectedInputs: [{ type: 'text', languages: ['en-us', 'ja'] }] };
  assert.equal(await LanguageModel.availability(fine), 'available');
});

test('languages that the model is not for are unavailable', async () => {
  const model = new ScriptedSiskin();
  const any = createBuiltinAi({ model });
  const some = createBuiltinAi({ model, languages: ['en', 'de', 'zh-hant'] });
  for (const [ai, tag, expected] of [
    [any, 'fr', 'available'],
    [any, 'de-CH-1901-x-phonebk-extended', 'available'],
    [any, 'und', 'unavailable'],
    [any, 'xx', 'unavailable'],
    [some, 'de', 'available'],
    [some, 'de-AT', 'available'],
    [some, 'zh-Hant-TW', 'available'],
    [some, 'zh', 'unavailable'],
    [some, 'fr', 'unavailable'],
  ]) {
    const list = [{ type: 'text', languages: [tag] }];
    for (const [name, options] of [
      ['LanguageModel', { expectedInputs: list }],
      ['LanguageModel', { expectedOutputs: list }],
      ['Rewriter', { expectedInputLanguages: [tag] }],
      ['Writer', { expectedContextLanguages: ['en', tag] }],
      ['Summarizer', { outputLanguage: tag }],
      ['Translator', { sourceLanguage: 'en', targetLanguage: tag }],
      ['Translator', { sourceLanguage: tag, targetLanguage: 'en' }],
    ]) {
      assert.equal(await ai[name].availability(options), expected, `${name} ${tag}`);
      if (expected === 'unavailable')
        assert.equal((await rejection(ai[name].create(options))).name, 'NotSupportedError');
    }
  }
});

test('a document that is gone is an InvalidStateError', async () => {
  const ai = createBuiltinAi({ model: new ScriptedSiskin() });
  const session = await ai.LanguageModel.create();
  globalThis.document = { defaultView: null };
  for (const [name, options] of ALL)
    for (const promise of [ai[name].create(options), ai[name].availability(options)])
      assert.equal((await rejection(promise)).name, 'InvalidStateError');
  assert.equal((await rejection(session.prompt('x'))).name, 'InvalidStateError');
  assert.throws(() => session.promptStreaming('x'), { name: 'InvalidStateError' });
});

test('the classes are interfaces: no constructor, names, tags and members to enumerate', () => {
  const ai = createBuiltinAi({ model: new ScriptedSiskin() });
  for (const [name] of [...ALL, ['Proofreader'], ['CreateMonitor']]) {
    assert.throws(() => new ai[name](), TypeError);
    assert.equal(ai[name].name, name);
    assert.equal(ai[name].length, 0);
    assert.equal(ai[name].prototype[Symbol.toStringTag], name);
    if (name === 'CreateMonitor') continue;
    assert.deepEqual(Object.keys(ai[name]).sort(), ['availability', 'create']);
    assert.ok(Object.keys(ai[name].prototype).includes('destroy'));
  }
  assert.ok(ai.LanguageModel.prototype instanceof EventTarget);
});

test('the model stays for a minute after the last object, and a model that was given stays', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const siskin = new ScriptedSiskin();
  mock.method(Siskin, 'load', async () => siskin);
  const ai = createBuiltinAi({ model: MODEL });
  const [one, two] = await Promise.all([ai.LanguageModel.create(), ai.Rewriter.create()]);
  const cloning = new AbortController();
  const cloned = rejection(one.clone({ signal: cloning.signal }));
  cloning.abort();
  await cloned;
  await setImmediate();
  one.destroy();
  mock.timers.tick(100_000);
  assert.equal(siskin.unloaded, false, 'one object is left');
  two.destroy();
  mock.timers.tick(50_000);
  const three = await ai.Writer.create();
  mock.timers.tick(100_000);
  assert.equal(siskin.unloaded, false, 'another object came in time');
  three.destroy();
  mock.timers.tick(60_000);
  assert.equal(siskin.unloaded, true);
  // A load whose object was not made is let go of as well.
  const stop = new AbortController();
  const unmade = new ScriptedSiskin();
  unmade.answer = 'endless';
  mock.method(Siskin, 'load', async () => unmade);
  const creating = rejection(
    ai.LanguageModel.create({
      initialPrompts: [{ role: 'user', content: 'x' }],
      signal: stop.signal,
    }),
  );
  await until(() => unmade.requests.length === 1);
  stop.abort();
  await creating;
  await setImmediate();
  mock.timers.tick(60_000);
  assert.equal(unmade.unloaded, true);
  const given = new ScriptedSiskin();
  (await createBuiltinAi({ model: given }).LanguageModel.create()).destroy();
  mock.timers.tick(100_000);
  assert.equal(given.unloaded, false);
  mock.timers.reset();
});

test('interfaces are installed where the browser has none, or by force, and removed', () => {
  const native = class LanguageModel {};
  const target = { LanguageModel: native };
  const before = Object.getOwnPropertyDescriptors(target);
  const remove = installBuiltinAi({ model: new ScriptedSiskin(), target });
  assert.equal(target.LanguageModel, native);
  const { value, ...flags } = Object.getOwnPropertyDescriptor(target, 'Rewriter');
  assert.equal(value.name, 'Rewriter');
  assert.deepEqual(flags, { writable: true, enumerable: false, configurable: true });
  for (const name of ['Writer', 'Summarizer', 'Proofreader', 'Translator', 'LanguageDetector'])
    assert.equal(target[name].name, name);
  assert.equal(target.QuotaExceededError, QuotaExceededError);
  remove();
  assert.deepEqual(Object.getOwnPropertyDescriptors(target), before);
  const undo = installBuiltinAi({ model: new ScriptedSiskin(), target, force: true });
  assert.notEqual(target.LanguageModel, native);
  target.Writer = 'somebody else';
  undo();
  assert.equal(target.LanguageModel, native);
  assert.equal(target.Writer, 'somebody else');
  const some = installBuiltinAi({
    model: new ScriptedSiskin(),
    target: Object.assign(target, { Rewriter: native }),
    force: ['LanguageModel'],
  });
  assert.notEqual(target.LanguageModel, native);
  assert.equal(target.Rewriter, native);
  some();
  assert.equal(target.LanguageModel, native);
  const globally = installBuiltinAi({ model: new ScriptedSiskin() });
  assert.equal(typeof globalThis.Summarizer.create, 'function');
  globally();
  assert.equal('Summarizer' in globalThis, false);
  assert.throws(() => installBuiltinAi({}), TypeError);
});

test('the error for too long input is a DOMException with fields', () => {
  const error = new QuotaExceededError('x', { quota: 1, requested: 2 });
  assert.ok(error instanceof DOMException);
  assert.deepEqual([error.name, error.message, error.code], ['QuotaExceededError', 'x', 22]);
  assert.deepEqual([error.quota, error.requested], [1, 2]);
  const plain = new QuotaExceededError();
  assert.deepEqual([plain.quota, plain.requested, plain.message], [null, null, '']);
  assert.equal(QuotaExceededError.name, 'QuotaExceededError');
});
