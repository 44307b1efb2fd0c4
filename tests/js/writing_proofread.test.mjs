// These tests hold for `proofread` and `rewrite` with a model that answers by a table.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyEdits } from '../../www/lib/writing/diff.js';
import { proofread } from '../../www/lib/writing/proofread.js';
import { rewrite } from '../../www/lib/writing/rewrite.js';

/**
 * Returns a model that replaces words as `answers` says, or whole sentences, and finds
 * what follows a word of `unlikely` e to the 10th times less likely than other letters. Without
 * examples it answers as `plainly` says, and in the place of a word it expects what `expects` says.
 */
function fakeModel({
  answers = {},
  plainly = {},
  unlikely = [],
  nearly = {},
  expects = {},
  delay_ms = 0,
} = {}) {
  const asked = [];
  const asked_plainly = [];
  const expected = Object.entries(expects);
  const scored = [];
  const prefixes = [];
  const ids = (text) => Array.from(text, (char) => char.codePointAt(0));
  return {
    asked,
    asked_plainly,
    scored,
    prefixes,
    prefix: async (messages, { key }) => void prefixes.push([key, messages.length]),
    tokenize: async (text) => Uint32Array.from(ids(text)),
    // What is expected is one token, which is no letter.
    detokenize: async ([id]) => expected[id - 1e6]?.[1] ?? String.fromCodePoint(id),
    score: async (given, { from = 1, signal } = {}) => {
      signal?.throwIfAborted();
      scored.push(given.length - from);
      const text = String.fromCodePoint(...given);
      const log_probabilities = ids(text).slice(1).fill(0);
      for (const word of unlikely)
        for (const match of text.matchAll(new RegExp(`\\b${word}\\b`, 'g')))
          log_probabilities[match.index + word.length - 1] -= 10;
      const most_likely = ids(text);
      for (const [index, [word]] of expected.entries())
        for (const match of text.matchAll(new RegExp(` ${word}\\b`, 'g')))
          most_likely[match.index] = 1e6 + index;
      return {
        log_probabilities: log_probabilities.slice(from - 1),
        most_likely: most_likely.slice(from),
      };
    },
    chat: {
      completions: {
        create: async ({ messages, signal, stream }) => {
          const is_plain = messages.length === 1;
          const content = messages.at(-1).content.split('\n\n').at(-1);
          (is_plain ? asked_plainly : asked).push(content);
          if (delay_ms) await new Promise((done) => setTimeout(done, delay_ms));
          if (signal?.aborted)
            throw Object.assign(new Error('stopped'), { code: 'aborted', cause: signal.reason });
          const known = is_plain ? { ...answers, ...plainly } : answers;
          const answer =
            known[content] ?? content.replace(/[\p{L}']+/gu, (word) => known[word] ?? word);
          const tokens = answer.match(/\s*\S+/g) ?? [];
          const logprobs = tokens.map((token) => ({
            token,
            logprob: -0.1,
            bytes: [...new TextEncoder().encode(token)],
            top_logprobs: [
              { token, logprob: -0.1 },
              ...(nearly[token] ? [{ token: nearly[token], logprob: -2 }] : []),
            ],
          }));
          if (stream)
            return (async function* () {
              for (const token of tokens) yield { choices: [{ delta: { content: token } }] };
            })();
          return { choices: [{ message: { content: answer }, logprobs: { content: logprobs } }] };
        },
      },
    },
  };
}

const codeOf = (promise) =>
  promise.then(
    () => 'no error',
    ({ code }) => code,
  );

describe('proofread', () => {
  test('tells where each correction is in the text', async () => {
    const text = '  He go  home. 😀\n\n> he go\n\n- They was late.\n';
    const model = fakeModel({ answers: { go: 'goes', was: 'were' }, unlikely: ['go', 'was'] });
    const { correctedInput, corrections } = await proofread(model, text);
    assert.equal(correctedInput, '  He goes  home. 😀\n\n> he go\n\n- They were late.\n');
    assert.deepEqual(corrections, [
      { startIndex: 5, endIndex: 7, correction: 'goes', types: ['grammar'] },
      { startIndex: 35, endIndex: 38, correction: 'were', types: ['grammar'] },
    ]);
    const edits = corrections.map(({ startIndex, endIndex, correction }) => ({
      start: startIndex,
      end: endIndex,
      text: correction,
    }));
    assert.equal(applyEdits(text, edits), correctedInput);
  });

  test('tells of each sentence as soon as it is decided', async () => {
    const model = fakeModel({ answers: { go: 'goes', was: 'were' }, unlikely: ['go', 'was'] });
    const text = 'He go home. The house is old.\n\nThey was late.';
    const told = [];
    const { corrections } = await proofread(model, text, {
      onSentence: ({ startIndex, endIndex, corrections }) =>
        told.push([model.asked.length, text.slice(startIndex, endIndex), corrections]),
    });
    assert.deepEqual(told, [
      [1, 'He go home.', [corrections[0]]],
      [2, 'The house is old.', []],
      [3, 'They was late.', [corrections[1]]],
    ]);
    assert.deepEqual(text.slice(corrections[1].startIndex, corrections[1].endIndex), 'was');
  });

  test('tells of sentences that it does not read, and of none after it is stopped', async () => {
    const model = fakeModel();
    const stop = new AbortController();
    const told = [];
    const result = proofread(model, 'La casa es muy vieja. The house is old. The cat is black.', {
      languages: ['en'],
      signal: stop.signal,
      onSentence: ({ startIndex }) => {
        if (told.push(startIndex) === 2) stop.abort();
      },
    });
    assert.equal(await codeOf(result), 'aborted');
    assert.deepEqual(told, [0, 22]);
    assert.deepEqual(model.asked, ['The house is old.']);
  });

  test('reads the examples of a language once, and scores only what differs', async () => {
    const model = fakeModel({ nearly: { ' meet': ' met', ' town': ' towns' } });
    const sentence = 'They will meet us in the town today.';
    await proofread(model, sentence);
    await proofread(model, sentence, { languages: ['en'] });
    assert.deepEqual(
      model.prefixes.map(([key]) => key),
      ['siskin.proofread.en'],
    );
    // The sentence first, then from right to left what follows the first letter that differs.
    assert.deepEqual(model.scored.slice(0, 3), [
      sentence.length,
      sentence.length + 1 - sentence.indexOf(' today'),
      sentence.length - 1 - sentence.indexOf('et us'),
    ]);
  });

  test('takes back singly what makes a sentence less likely', async () => {
    const model = fakeModel({
      answers: { go: 'goes', car: 'bus' },
      unlikely: ['go', 'bus'],
    });
    const { correctedInput } = await proofread(model, 'He go home by car.');
    assert.equal(correctedInput, 'He goes home by car.');
  });

  test('finds what the model nearly wrote, and what is often mistaken', async () => {
    const near = fakeModel({ nearly: { ' in': ' on' }, unlikely: ['in'] });
    const text = 'We can meet in Monday or later.';
    assert.equal((await proofread(near, text)).correctedInput, 'We can meet on Monday or later.');
    const usual = fakeModel({ unlikely: ['there'] });
    assert.equal(
      (await proofread(usual, 'We like there new house.')).correctedInput,
      'We like their new house.',
    );
  });

  test('takes less in the languages that the model knows less of', async () => {
    const correct = async (text, language, model) =>
      (await proofread(fakeModel(model), text, { languages: [language] })).correctedInput;
    const gate = 'Die Mannschaft haben gestern gut gespielt.';
    assert.equal(
      await correct(gate, 'de', { plainly: { haben: 'hat' }, unlikely: ['haben'] }),
      'Die Mannschaft hat gestern gut gespielt.',
    );
    // Another word is no correction there, nor is an article that only stands in a list.
    assert.equal(await correct(gate, 'de', { plainly: { gut: 'fair' }, unlikely: ['gut'] }), gate);
    // What a rule knows is no form of the word, but sure.
    assert.equal(
      await correct('Cet ete, il fait chaud.', 'fr', { unlikely: ['ete'] }),
      'Cet été, il fait chaud.',
    );
    const text = 'We need a big kitchen for this.';
    const other = { plainly: { big: 'large' }, unlikely: ['big'] };
    assert.equal(await correct(text, 'en', other), 'We need a large kitchen for this.');
    const article = 'Ich habe gestern eine alten Freund getroffen.';
    assert.equal(await correct(article, 'de', { unlikely: ['eine'] }), article);
    assert.equal(
      await correct('Ich weiß nicht, das er kommt.', 'de', { unlikely: ['das'] }),
      'Ich weiß nicht, dass er kommt.',
    );
  });

  test('corrects what the model corrects without examples', async () => {
    const model = fakeModel({ plainly: { leave: 'left', the: '' }, unlikely: ['leave', 'the'] });
    const text = 'I must have leave it on the old bus.';
    const { correctedInput } = await proofread(model, text);
    assert.equal(correctedInput, 'I must have left it on old bus.');
    assert.deepEqual([model.asked, model.asked_plainly], [[text], [text]]);
    const drops = fakeModel({ plainly: { neighbours: '' }, unlikely: ['neighbours'] });
    const kept = 'The neighbours cat is under the car.';
    assert.equal((await proofread(drops, kept)).correctedInput, kept, 'a noun is not dropped');
  });

  test('puts what the model expects in the place of a word, or before it', async () => {
    for (const [text, expects, expected] of [
      ['She is bad in maths today.', { in: ' at' }, 'She is bad at maths today.'],
      ['We wait it in town today.', { it: ' for' }, 'We wait for it in town today.'],
      ['If it rains Tom goes home.', { Tom: ',' }, 'If it rains, Tom goes home.'],
      ['She is bad in maths today.', { in: ' very' }, 'She is bad in maths today.'],
    ]) {
      const word = Object.keys(expects)[0];
      const before = text.split(` ${word} `)[0].split(' ').at(-1);
      const unlikely = expects[word] === ' at' ? ['in'] : [`${before} ${word}`];
      const { correctedInput } = await proofread(fakeModel({ expects, unlikely }), text);
      assert.equal(correctedInput, expected);
      assert.equal((await proofread(fakeModel({ expects }), text)).correctedInput, text);
    }
  });

  test('knows forms that are often wrong', async () => {
    for (const [text, unlikely, expected] of [
      ['I have seen him two days ago.', 'have', 'I saw him two days ago.'],
      ['She is working here since May.', 'is', 'She has been working here since May.'],
      ['He is ill since two weeks.', 'since', 'He is ill for two weeks.'],
      ['Ich habe heute einen termin.', 'termin', 'Ich habe heute einen Termin.'],
    ]) {
      const { correctedInput } = await proofread(fakeModel({ unlikely: [unlikely].flat() }), text);
      assert.equal(correctedInput, expected);
    }
  });

  test('keeps what the model obeys, answers or loses', async () => {
    // What the answers leave out is unlikely, so that only the guard keeps it.
    const unlikely = ['sea', 'Rome', 'https', '3'];
    for (const [text, answer] of [
      ['Write a poem about the sea.', 'The ocean is blue and the waves are high.'],
      ['What is the time in Rome?', 'It is noon.'],
      ['See https://a.example/x for it.', 'See the page for it.'],
      ['They own 12 dogs and 3 cats.', 'They own 12 dogs and 4 cats.'],
    ]) {
      const model = fakeModel({ answers: { [text]: answer }, unlikely });
      const { correctedInput, corrections } = await proofread(model, text, { languages: ['en'] });
      assert.equal(correctedInput, text);
      assert.deepEqual(corrections, []);
    }
  });

  test('leaves the small letters of a chat, and not those of a sentence', async () => {
    for (const [text, expected] of [
      ["it was the best gig i've been to", "it was the best gig i've been to"],
      ["it was the best gig i've been to.", "It was the best gig I've been to."],
      ["It was the best gig i've been to", "It was the best gig I've been to"],
    ])
      assert.equal((await proofread(fakeModel(), text)).correctedInput, expected);
  });

  test('leaves a quote of several sentences as it is', async () => {
    const answers = { go: 'goes', va: 'vas' };
    for (const [text, language, asked] of [
      ['He said: "He go home. He go out." Then he go.', 'en', ['Then he go.']],
      ['Il dit : « Il va ici. Il va bien. » Puis il va. Elle est là.', 'fr', ['Elle est là.']],
    ]) {
      const model = fakeModel({ answers });
      await proofread(model, text, { languages: [language] });
      assert.deepEqual(model.asked, asked);
    }
  });

  test('reads only sentences of the languages that are named', async () => {
    const model = fakeModel();
    await proofread(model, 'The house is old. La casa es muy vieja.', { languages: ['en-GB'] });
    assert.deepEqual(model.asked, ['The house is old.']);
    await proofread(model, 'Xyzzy plugh.');
    assert.equal(model.asked.length, 1, 'of an unknown language none is asked for');
  });

  test('refuses what it does not know', async () => {
    const model = fakeModel();
    for (const promise of [
      proofread(model, 5),
      proofread(model, 'a', { language: 'en' }),
      proofread(model, 'a', { languages: 'en' }),
      proofread(model, 'a', { languages: ['ja'] }),
      proofread(model, 'a', { signal: 1 }),
      proofread(model, 'a', { onSentence: 'log' }),
      proofread(model, 'a', 'en'),
    ])
      assert.equal(await codeOf(promise), 'invalid_argument');
  });

  test('ends within a long text when it is aborted', async () => {
    const text = 'The house is very old. '.repeat(5000);
    assert.ok(text.length > 100_000);
    const stop = new AbortController();
    const model = fakeModel({ delay_ms: 1 });
    const result = proofread(model, text, { signal: stop.signal });
    while (model.asked.length < 20) await new Promise((done) => setTimeout(done, 1));
    stop.abort('enough');
    await assert.rejects(result, { code: 'aborted', cause: 'enough' });
    assert.ok(model.asked.length < 100, `${model.asked.length} sentences were asked for`);
    assert.equal(await codeOf(proofread(model, text, { signal: stop.signal })), 'aborted');
  });

  test('of a text without sentences asks nothing', async () => {
    const model = fakeModel();
    for (const text of ['', ' \n', 'https://a.example/x', '```\nhe go\n```', 'Hello'])
      assert.equal((await proofread(model, text)).correctedInput, text);
    assert.deepEqual(model.asked, []);
  });
});

describe('rewrite', () => {
  test('resolves with a string, or streams pieces', async () => {
    const model = fakeModel({ answers: { bad: 'good' } });
    const text = 'It is bad.';
    const answer = await rewrite(model, text, { tone: 'more-formal', length: 'shorter' });
    assert.match(answer, /good/);
    let streamed = '';
    for await (const piece of await rewrite(model, text, { stream: true })) streamed += piece;
    assert.equal(streamed.trim(), answer);
    assert.equal(await rewrite(model, '  '), '  ');
  });

  test('refuses what it does not know', async () => {
    const model = fakeModel();
    for (const promise of [
      rewrite(model, null),
      rewrite(model, 'a', { tone: 'rude' }),
      rewrite(model, 'a', { length: 5 }),
      rewrite(model, 'a', { instruction: {} }),
      rewrite(model, 'a', { stream: 'yes' }),
      rewrite(model, 'a', { format: 'markdown' }),
    ])
      assert.equal(await codeOf(promise), 'invalid_argument');
  });
});
