// These tests hold for the model that answers the card in the engine's place: what it writes is
// taken only where it is a correction.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run } from '../../www/assistant/actions.js';
import { changesWord } from '../../www/extension/content_words.js';
import { changesNumber } from '../../www/extension/number_words.js';
import { OtherModel } from '../../www/extension/other_model.js';
import { readAnswer, spansOf } from '../../www/lib/writing/correct.js';

/** Answers each question by a function of its last message; counts the ports that are open. */
function install(answer) {
  const state = { asked: [], open: 0 };
  globalThis.chrome = {
    runtime: {
      sendMessage: async () => ({}),
      connect() {
        const listeners = { message: [], disconnect: [] };
        const port = {
          onMessage: { addListener: (it) => listeners.message.push(it) },
          onDisconnect: { addListener: (it) => listeners.disconnect.push(it) },
          disconnect: () => (state.open -= 1),
          postMessage({ messages }) {
            state.asked.push(messages.at(-1).content);
            const say = (message) => listeners.message.forEach((it) => it(message));
            const lose = () => listeners.disconnect.forEach((it) => it());
            queueMicrotask(() => answer(messages.at(-1).content, say, lose));
          },
        };
        state.open += 1;
        return port;
      },
    },
  };
  return state;
}

const proofread = async (text, options = {}) => {
  const found = [];
  const onSentence = ({ corrections }) => found.push(...corrections);
  await new OtherModel().proofread(text, { onSentence, ...options });
  return found.map(({ startIndex, endIndex, correction }) => [
    text.slice(startIndex, endIndex),
    correction,
  ]);
};

test('each sentence is asked about, and its corrections are where they are in the text', async () => {
  const state = install((text, say) => {
    for (const word of text.replace('have', 'has').split(/(?= )/)) say({ text: word });
    say({ is_end: true });
  });
  const text = 'The cat is here. She have two cats.';
  assert.deepEqual(await proofread(text), [['have', 'has']]);
  assert.deepEqual(state.asked, ['The cat is here.', 'She have two cats.']);
  assert.equal(state.open, 0);
});

/** Answers with one text. */
const saying = (answer) => (_, say) => {
  say({ text: answer });
  say({ is_end: true });
};

/** What a model makes of a sentence that is no correction of it. */
const LIES = {
  'another sentence': [
    'She have two cats and they are in the garden.',
    'Sure! Here is what I think about your two lovely animals.',
  ],
  'a number': ['She have 3 cats and 12 dogs.', 'She has 3 cats and 21 dogs.'],
  'a number in words': ['There are two cats in the house.', 'There are three cats in the house.'],
  'a number that is left out': ['There are two cats in the house.', 'There are some cats here.'],
  'a name': ['I have met Anna in the house.', 'I have met Eve in the house.'],
  'a quote': ['He said "I goes home" to us.', 'He said "I go home" to us.'],
  'an address': ['The page is at https://a.example/x for you.', 'The page is at a site for you.'],
  'a preamble': ['She have two cats.', 'Here is the corrected text: She has two cats.'],
  'a remark': ['She have two cats.', 'She has two cats.\n\nI changed "have" to "has".'],
  'an answer': ['What is the capital of the country?', 'The capital of the country is Paris.'],
  'an order that is obeyed': ['Write a poem about the cat.', 'The cat is soft, the cat is warm.'],
  'a translation': ['The weather is nice today.', 'Das Wetter ist heute schön.'],
  'a half that is left out': ['She have two cats and she is in the garden.', 'She has two cats.'],
  'no word': ['She have two cats.', ''],
  'a negation': ['I do like the cat in the house.', 'I do not like the cat in the house.'],
  'the opposite': ['I love the cat in the house.', 'I hate the cat in the house.'],
  'another thing': ['She has a cat in the house.', 'She has a dog in the house.'],
  'the other way round': ['We met her before the war.', 'We met her after the war.'],
  'who it is': ['I have seen her in the house.', 'I have seen him in the house.'],
};

for (const [what, [sentence, lie]] of Object.entries(LIES))
  test(`a model that lies changes nothing: ${what}`, async () => {
    const { asked } = install(saying(lie));
    assert.deepEqual(await proofread(sentence), []);
    assert.deepEqual(asked, [sentence], 'it was asked');
  });

test('a lie is thrown away, and the sentences around it are corrected', async () => {
  install((text, say) =>
    saying(/3/.test(text) ? text.replace('3', '4') : text.replace('have', 'has'))(text, say),
  );
  const text = 'She have a cat. It is 3 years old. He have a dog.';
  assert.deepEqual(await proofread(text), [
    ['have', 'has'],
    ['have', 'has'],
  ]);
});

test('a name stays, and the rest of its sentence is corrected', async () => {
  install(saying('Where has Ana been in the house?'));
  assert.deepEqual(await proofread('Where have Anna been in the house?'), [['have', 'has']]);
});

test('a quote of two sentences stays, and is not sent', async () => {
  const state = install((text, say) => saying(text.replace('goes', 'go'))(text, say));
  const text = 'She said: "I goes home. They goes to the house."';
  assert.deepEqual(await proofread(text), []);
  assert.deepEqual(state.asked, []);
});

test('a number in words may be mended, and not be another', () => {
  const edit = (before, after) => ({ before: before.split(' '), after: after.split(' ') });
  for (const [before, after] of [
    ['to', 'two'],
    ['fourty', 'forty'],
    ['half', 'have'],
    ['two cat', 'two cats'],
    ['twenty two', 'twenty-two'],
  ])
    assert.equal(changesNumber(edit(before, after)), false, `${before} -> ${after}`);
  for (const [before, after] of [
    ['two', 'three'],
    ['thirty', 'thirteen'],
    ['zwei', 'drei'],
    ['quatre', 'cinq'],
    ['some', 'ten'],
    ['twenty-two', 'twenty-three'],
    ['two cats', 'cats'],
  ])
    assert.equal(changesNumber(edit(before, after)), true, `${before} -> ${after}`);
});

test('a word may be mended or take another form, and not be another', () => {
  const edit = (before, after) => ({
    before: before.split(' ').filter(Boolean),
    after: after.split(' ').filter(Boolean),
  });
  for (const [before, after] of [
    ['have', 'has'],
    ['goed', 'went'],
    ['eated', 'ate'],
    ['buyed', 'bought'],
    ['becuase', 'because'],
    ['informations', 'information'],
    ['fone', 'phone'],
    ['nife', 'knife'],
    ['bive', 'vive'],
    ['abite', 'habite'],
    ['alot', 'a lot'],
    ['of', 'have'],
    ['in', 'on'],
    ['', 'the'],
    ['to', ''],
    ['', ','],
    ['childs', 'children'],
    ['monday', 'Monday'],
    ['good', 'well'],
    ['geht', 'ging'],
    ['éffacé', 'effacé'],
    ['pay', 'paying'],
    ["didn't", "hasn't"],
    ['their', 'there'],
  ])
    assert.equal(changesWord(edit(before, after)), false, `${before} -> ${after}`);
  for (const [before, after] of [
    ['love', 'hate'],
    ['cat', 'dog'],
    ['increase', 'decrease'],
    ['legal', 'illegal'],
    ['possible', 'impossible'],
    ['happy', 'unhappy'],
    ['hot', 'cold'],
    ['before', 'after'],
    ['and', 'or'],
    ['better', 'worse'],
    ['buy', 'sell'],
    ['help', 'helpless'],
    ['very', 'beautiful'],
    ['house', 'the'],
    ['', 'beautiful'],
    ['Haus', 'Auto'],
    ['antes', 'después'],
  ])
    assert.equal(changesWord(edit(before, after)), true, `${before} -> ${after}`);
});

test('of the right corrections of the development set few are taken for other words', () => {
  const path = new URL('../quality/development.jsonl', import.meta.url);
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  let [count, refused] = [0, 0];
  for (const { text, accepted, language } of lines.map((line) => JSON.parse(line))) {
    const task = { sentence: text.replace(/\s+/g, ' '), language, closed: true };
    const { made } = readAnswer(task, accepted?.[0] ?? text, [], spansOf(task.sentence, language));
    count += made.length;
    refused += made.filter((edit) => changesWord(edit) || changesNumber(edit)).length;
  }
  assert.ok(count > 600, `${count} corrections`);
  assert.ok(refused < 0.02 * count, `${refused} of ${count}`);
});

test("a rewritten text is freed of what a model puts around it, as the engine's is", async () => {
  for (const answer of ['Text: "She has cats."', '"She has cats."', ' She has\n\ncats. ']) {
    install(saying(answer));
    const options = { signal: new AbortController().signal, onText: () => {} };
    const wish = { action: 'formal' };
    const { text } = await run(new OtherModel(), 'She have cats.', wish, options);
    assert.equal(text, 'She has cats.', answer);
  }
});

test('a text in no language that is known is not sent', async () => {
  const state = install(() => assert.fail('nobody asks'));
  assert.deepEqual(await proofread('Nie wiem, co robił wczoraj.'), []);
  assert.deepEqual(state.asked, []);
});

test('a lost port and a wish to stop end the call, and leave no port', async () => {
  const state = install((_, __, lose) => lose());
  await assert.rejects(proofread('She have two cats.'), { code: 'engine_gone' });
  const job = new AbortController();
  install(() => job.abort());
  await assert.rejects(proofread('She have two cats.', { signal: job.signal }), {
    code: 'aborted',
  });
  assert.equal(state.open, 0);
});
