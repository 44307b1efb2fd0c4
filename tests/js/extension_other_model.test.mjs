// These tests hold for the model that answers the card in the engine's place: what it writes is
// taken only where it is a correction.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OtherModel } from '../../www/extension/other_model.js';

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

test('another sentence is no correction', async () => {
  install((_, say) => {
    say({ text: 'Sure! Here is what I think about your two lovely animals.' });
    say({ is_end: true });
  });
  assert.deepEqual(await proofread('She have two cats and they are in the garden.'), []);
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
