// These tests hold for Rewriter, Writer, Summarizer, Translator and Proofreader: what they are
// asked, what the model is told, and how their calls end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ScriptedSiskin, promptTokens, rejection, textOf } from './helpers/scripted_siskin.mjs';
import { createBuiltinAi } from '../../www/lib/builtin_ai.js';
import { ModelHost } from '../../www/lib/builtin_ai/model_host.js';
import { makeProofreader } from '../../www/lib/builtin_ai/proofreader.js';

/** Each interface, its methods, its options and their first values. */
const WRITING = [
  ['Rewriter', 'rewrite', { tone: 'as-is', format: 'as-is', length: 'as-is' }],
  ['Writer', 'write', { tone: 'neutral', format: 'markdown', length: 'short' }],
  [
    'Summarizer',
    'summarize',
    { type: 'key-points', format: 'markdown', length: 'short', preference: 'auto' },
  ],
];
const LANGUAGES = { sourceLanguage: 'en', targetLanguage: 'ja' };
const METHODS = [
  ...WRITING.map(([name, method]) => [name, method, {}]),
  ['Translator', 'translate', LANGUAGES],
];

function makeModel() {
  const siskin = new ScriptedSiskin();
  siskin.info.context_tokens = 2000;
  return siskin;
}

async function make(name, options, siskin = makeModel()) {
  return { siskin, object: await createBuiltinAi({ model: siskin })[name].create(options) };
}

/** Returns what the model was told, as one text. */
const toldOf = ({ messages }) => messages.map(({ content }) => content).join('\n');

test('the answer comes whole or in pieces', async () => {
  for (const [name, method, options] of METHODS) {
    const { siskin, object } = await make(name, options);
    assert.equal(await object[method]('A text.'), 'Fine, thanks.');
    const stream = object[`${method}Streaming`]('A text.');
    assert.ok(stream instanceof ReadableStream);
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    assert.deepEqual(pieces, ['Fine, ', 'thanks.']);
    assert.ok(siskin.requests.every((request) => toldOf(request).includes('A text.')));
  }
});

test('blanks are rewritten to themselves, and nothing is written of them', async () => {
  for (const [name, method] of WRITING)
    for (const blank of ['', ' ', ' \n\t']) {
      const { siskin, object } = await make(name, {});
      const expected = name === 'Rewriter' ? blank : '';
      assert.equal(await object[method](blank), expected, name);
      assert.equal(siskin.requests.length, 0);
    }
});

test('the attributes are the options, or what the drafts begin with', async () => {
  for (const [name, , choices] of WRITING) {
    const { object } = await make(name, {});
    for (const [choice, value] of Object.entries(choices)) assert.equal(object[choice], value);
    assert.equal(object.sharedContext, '');
    assert.equal(object.expectedInputLanguages, null);
    assert.equal(object.expectedContextLanguages, null);
    assert.equal(object.outputLanguage, null);
    const { object: other } = await make(name, {
      sharedContext: 'A blog.',
      expectedInputLanguages: ['EN-us', 'de', 'en-US'],
      expectedContextLanguages: [],
      outputLanguage: 'zh-hant',
    });
    assert.equal(other.sharedContext, 'A blog.');
    assert.deepEqual(other.expectedInputLanguages, ['en-US', 'de']);
    assert.ok(Object.isFrozen(other.expectedInputLanguages));
    assert.equal(other.expectedInputLanguages, other.expectedInputLanguages);
    assert.equal(other.expectedContextLanguages, null);
    assert.equal(other.outputLanguage, 'zh-Hant');
    for (const attribute of [...Object.keys(choices), 'sharedContext', 'inputQuota'])
      assert.throws(() => (object[attribute] = 'x'), TypeError, attribute);
  }
  const { object } = await make('Translator', { sourceLanguage: 'EN', targetLanguage: 'pt-br' });
  assert.deepEqual([object.sourceLanguage, object.targetLanguage], ['en', 'pt-BR']);
});

test('a language that the model is not listed for is the one that fits best', async () => {
  const ai = createBuiltinAi({ model: makeModel(), languages: ['en', 'de'] });
  const writer = await ai.Writer.create({
    expectedInputLanguages: ['de-AT', 'en'],
    outputLanguage: 'en-GB',
  });
  assert.deepEqual(writer.expectedInputLanguages, ['de', 'en']);
  assert.equal(writer.outputLanguage, 'en');
});

test('every value of an option tells the model something of its own', async () => {
  const options = {
    Rewriter: {
      tone: ['as-is', 'more-formal', 'more-casual'],
      format: ['as-is', 'plain-text', 'markdown'],
      length: ['as-is', 'shorter', 'longer'],
    },
    Writer: {
      tone: ['formal', 'neutral', 'casual'],
      format: ['plain-text', 'markdown'],
      length: ['short', 'medium', 'long'],
    },
    Summarizer: {
      type: ['tldr', 'teaser', 'key-points', 'headline'],
      format: ['plain-text', 'markdown'],
      length: ['short', 'medium', 'long'],
    },
  };
  for (const [name, method] of WRITING)
    for (const [choice, values] of Object.entries(options[name])) {
      const told = new Set();
      for (const value of values) {
        const { siskin, object } = await make(name, { [choice]: value });
        assert.equal(object[choice], value);
        await object[method]('A text.');
        told.add(toldOf(siskin.requests[0]));
      }
      assert.equal(told.size, values.length, `${name} ${choice}`);
    }
});

test('a summary is as short as the draft says', async () => {
  for (const [type, lengths] of Object.entries({
    tldr: ['one sentence', 'short paragraph', 'one paragraph'],
    teaser: ['one sentence', 'short paragraph', 'a paragraph'],
    'key-points': ['3 bullet points', '5 bullet points', '7 bullet points'],
    headline: ['12 words', '17 words', '22 words'],
  }))
    for (const [index, length] of ['short', 'medium', 'long'].entries()) {
      const { siskin, object } = await make('Summarizer', { type, length });
      await object.summarize('A text.');
      assert.ok(toldOf(siskin.requests[0]).includes(lengths[index]), `${type} ${length}`);
    }
  for (const [length, words] of Object.entries({ short: 100, medium: 300, long: 500 })) {
    const { siskin, object } = await make('Writer', { length });
    await object.write('A text.');
    assert.ok(toldOf(siskin.requests[0]).includes(`no more than ${words} words`));
  }
});

test('both contexts and the language are told', async () => {
  for (const [name, method] of WRITING) {
    const { siskin, object } = await make(name, {
      sharedContext: 'Shared context.',
      outputLanguage: 'de',
    });
    await object[method]('A text.', { context: 'Own context.' });
    const told = toldOf(siskin.requests[0]);
    for (const part of ['Shared context.', 'Own context.', 'German', 'A text.'])
      assert.ok(told.includes(part), `${name}: ${part}`);
    await object[method]('A text.');
    assert.ok(!toldOf(siskin.requests[1]).includes('Own context.'));
  }
  const { siskin, object } = await make('Translator', LANGUAGES);
  await object.translate('A text.');
  assert.match(toldOf(siskin.requests[0]), /from English to Japanese/);
});

test('what has nothing to summarize is answered with nothing, and asks nobody', async () => {
  for (const [name, method, inputs] of [
    ['Rewriter', 'rewrite', ['']],
    ['Summarizer', 'summarize', ['', ' \r\n\t\f', '\u0000\u001f']],
  ]) {
    const { siskin, object } = await make(name, {});
    for (const input of inputs) {
      assert.equal(await object[method](input, { context: 'x' }), '');
      assert.equal(await textOf(object[`${method}Streaming`](input)), '');
    }
    assert.equal(siskin.requests.length, 0);
  }
});

test('what has nothing to translate is given back', async () => {
  const { siskin, object } = await make('Translator', LANGUAGES);
  const inputs = ['', ' ', '     ', ' \r\n\t\f'];
  for (let code = 0; code < 0x20; code += 1) inputs.push(String.fromCharCode(code));
  for (const input of inputs) {
    assert.equal(await object.translate(input), input);
    assert.equal(await textOf(object.translateStreaming(input)), input);
  }
  assert.equal(siskin.requests.length, 0);
});

test('languages that are kinds of one another need no model and change nothing', async () => {
  delete globalThis.Worker;
  const { Translator } = createBuiltinAi({ model: '/none.gguf' });
  for (const [sourceLanguage, targetLanguage] of [
    ['en', 'en'],
    ['en-US', 'en'],
    ['en', 'en-GB'],
  ]) {
    const options = { sourceLanguage, targetLanguage };
    assert.equal(await Translator.availability(options), 'available');
    const loaded = [];
    const translator = await Translator.create({
      ...options,
      monitor: (monitor) => (monitor.ondownloadprogress = (event) => loaded.push(event.loaded)),
    });
    assert.deepEqual(loaded, [0, 1]);
    assert.equal(await translator.translate('colour'), 'colour');
    assert.equal(translator.inputQuota, Infinity);
    assert.equal(await translator.measureInputUsage('colour'), 0);
    assert.deepEqual(
      [translator.sourceLanguage, translator.targetLanguage],
      [sourceLanguage, targetLanguage],
    );
  }
});

test('inputs are measured with all that the model is told', async () => {
  for (const [name, method, options] of METHODS) {
    const { siskin, object } = await make(name, options);
    await object[method]('A text.', { context: 'Own.' });
    const [{ messages }] = siskin.requests;
    assert.equal(
      await object.measureInputUsage('A text.', { context: 'Own.' }),
      promptTokens(messages),
    );
    const more = await object.measureInputUsage('A longer text.', { context: 'Own.' });
    assert.equal(more - promptTokens(messages), ' longer'.length);
    assert.ok(object.inputQuota > 0 && object.inputQuota < 2000);
    assert.equal(siskin.requests.length, 1, 'measuring asks for no answer');
  }
});

test('input over the quota is a QuotaExceededError', async () => {
  for (const [name, method, options] of METHODS) {
    const { siskin, object } = await make(name, options);
    const input = 'x'.repeat(object.inputQuota);
    const requested = await object.measureInputUsage(input);
    for (const call of [object[method](input), textOf(object[`${method}Streaming`](input))]) {
      const error = await rejection(call);
      assert.ok(error instanceof DOMException);
      assert.equal(error.name, 'QuotaExceededError');
      assert.deepEqual([error.quota, error.requested], [object.inputQuota, requested]);
    }
    assert.equal(siskin.requests.length, 0);
  }
});

test('calls without input, or with wrong options, are TypeErrors', async () => {
  for (const [name, method, options] of METHODS) {
    const { object } = await make(name, options);
    for (const call of [
      object[method](),
      object[method]('x', 5),
      object[method]('x', { signal: {} }),
      object.measureInputUsage(),
    ])
      assert.ok((await rejection(call)) instanceof TypeError);
    assert.throws(() => object[`${method}Streaming`](), TypeError);
    assert.equal(await object[method](5), 'Fine, thanks.');
  }
});

test('an abort before, during and after', async () => {
  for (const [name, method, options] of METHODS) {
    const { siskin, object } = await make(name, options);
    const error = new Error('mine');
    const signal = AbortSignal.abort(error);
    assert.equal(await rejection(object[method]('x', { signal })), error);
    assert.equal(await rejection(object.measureInputUsage('x', { signal })), error);
    assert.throws(
      () => object[`${method}Streaming`]('x', { signal }),
      (thrown) => thrown === error,
    );
    siskin.answer = 'endless';
    for (const call of [
      (options) => object[method]('x', options),
      (options) => textOf(object[`${method}Streaming`]('x', options)),
    ]) {
      const stop = new AbortController();
      const aborted = rejection(call({ signal: stop.signal }));
      while (siskin.running === 0) await setImmediate();
      stop.abort(error);
      assert.equal(await aborted, error);
      while (siskin.running > 0) await setImmediate();
    }
    siskin.answer = 'Yes.';
    const late = new AbortController();
    assert.equal(await object[method]('x', { signal: late.signal }), 'Yes.');
    late.abort();
    assert.equal(await object[method]('x'), 'Yes.');
  }
});

test('destroy ends the calls, and the other objects go on', async () => {
  const siskin = makeModel();
  const ai = createBuiltinAi({ model: siskin });
  siskin.answer = 'endless';
  for (const [name, method, options] of METHODS) {
    const object = await ai[name].create(options);
    const pending = [
      rejection(object[method]('x')),
      rejection(textOf(object[`${method}Streaming`]('x'))),
    ];
    while (siskin.running < 2) await setImmediate();
    object.destroy();
    for (const error of await Promise.all(pending)) assert.equal(error.name, 'AbortError');
    assert.throws(() => object[`${method}Streaming`]('x'), { name: 'AbortError' });
    while (siskin.running > 0) await setImmediate();
  }
  siskin.answer = 'Yes.';
  assert.equal(await (await ai.Writer.create()).write('x'), 'Yes.');
});

/** Makes a proofreader over corrections that a test gives. */
async function makeProof(options, proofread) {
  const siskin = makeModel();
  const host = new ModelHost({ model: siskin });
  const Proofreader = makeProofreader(host, proofread);
  return { siskin, Proofreader, proofreader: await Proofreader.create(options) };
}

test('a proofreader gives corrections in their order, with types if it was asked to', async () => {
  const corrections = [
    { startIndex: 7, endIndex: 10, correction: 'the', types: ['spelling', 'word-order', 'order'] },
    { startIndex: 0, endIndex: 1, correction: 'I', types: ['capitalization'] },
    { startIndex: 4, endIndex: 5, correction: 'a', types: [] },
  ];
  const asked = [];
  const proofread = async (siskin, text, { languages, signal }) => {
    asked.push([siskin, text, languages, signal instanceof AbortSignal]);
    return { correctedInput: 'I saw the.', corrections };
  };
  const options = { includeCorrectionTypes: true, expectedInputLanguages: ['en-us'] };
  const { siskin, proofreader } = await makeProof(options, proofread);
  assert.equal(String(proofreader), '[object Proofreader]');
  assert.equal(proofreader.includeCorrectionTypes, true);
  assert.equal(proofreader.includeCorrectionExplanations, false);
  assert.deepEqual(proofreader.expectedInputLanguages, ['en-US']);
  assert.equal(proofreader.correctionExplanationLanguage, null);
  assert.deepEqual(await proofreader.proofread('i saw teh.'), {
    correctedInput: 'I saw the.',
    corrections: [
      { startIndex: 0, endIndex: 1, correction: 'I', types: ['capitalization'] },
      { startIndex: 4, endIndex: 5, correction: 'a', types: ['grammar'] },
      { startIndex: 7, endIndex: 10, correction: 'the', types: ['spelling', 'grammar'] },
    ],
  });
  assert.deepEqual(asked, [[siskin, 'i saw teh.', ['en-US'], true]]);
  for (const blank of ['', ' ']) {
    const nothing = await proofreader.proofread(blank);
    assert.deepEqual(nothing, { correctedInput: blank });
  }
  assert.equal(asked.length, 1);
  assert.equal(await proofreader.measureInputUsage('x'), 0);
  assert.equal(proofreader.inputQuota, Infinity);
  const { proofreader: plain } = await makeProof({}, proofread);
  const { corrections: bare } = await plain.proofread('i saw teh.');
  assert.deepEqual(bare[0], { startIndex: 0, endIndex: 1, correction: 'I' });
  assert.equal(asked[1][2], undefined);
});

test('a proofreader has no explanations, and ends as the others do', async () => {
  const { Proofreader, proofreader } = await makeProof({}, async (_siskin, _text, { signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    throw Object.assign(new Error('stopped'), { code: 'aborted' });
  });
  const explained = { includeCorrectionExplanations: true };
  assert.equal(await Proofreader.availability(explained), 'unavailable');
  assert.equal((await rejection(Proofreader.create(explained))).name, 'NotSupportedError');
  const stop = new AbortController();
  const error = new Error('mine');
  const aborted = rejection(proofreader.proofread('x', { signal: stop.signal }));
  await setImmediate();
  stop.abort(error);
  assert.equal(await aborted, error);
  const pending = rejection(proofreader.proofread('x'));
  proofreader.destroy();
  assert.equal((await pending).name, 'AbortError');
  assert.ok((await rejection(proofreader.proofread())) instanceof TypeError);
});
