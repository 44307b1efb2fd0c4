// These tests hold what of the writing assistant needs no document: what is read of a text, and how
// edits change it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTIONS, editsBetween, isAction, run } from '../../www/assistant/actions.js';
import { namesSecret } from '../../www/assistant/fields.js';
import {
  MAX_CHARS,
  applyEdits,
  mergeEdits,
  moveThrough,
  paragraphAt,
} from '../../www/assistant/passage.js';

test('the paragraph at a place is the line, whole', () => {
  const text = 'One line.\nAnother line.\n\nThe last.';
  const at = (place) => text.slice(...paragraphAt(text, place));
  assert.equal(at(0), 'One line.');
  assert.equal(at(9), 'One line.');
  assert.equal(at(10), 'Another line.');
  assert.equal(at(24), '');
  assert.equal(at(text.length), 'The last.');
});

test('of a line that is too long, whole sentences near the place are read', () => {
  const text = 'The cat sat on the mat. '.repeat(50_000);
  const start_ms = performance.now();
  const [from, to] = paragraphAt(text, 600_007);
  assert.ok(performance.now() - start_ms < 50);
  assert.ok(from <= 600_007 && 600_007 <= to && to - from <= MAX_CHARS);
  assert.match(text.slice(from, to), /^The cat .* mat\.$/);
});

test('a line without sentences is not read beyond the bound', () => {
  const [from, to] = paragraphAt('x'.repeat(1_000_000), 500_000);
  assert.ok(to - from <= MAX_CHARS);
});

test('edits change a text, one by one and merged', () => {
  const text = 'She have two cat.';
  const edits = [
    { start: 4, end: 8, text: 'has' },
    { start: 13, end: 16, text: 'cats' },
  ];
  assert.equal(applyEdits(text, edits), 'She has two cats.');
  assert.deepEqual(mergeEdits(text, edits), { start: 4, end: 16, text: 'has two cats' });
});

test('a caret moves with the edits before it, and behind the one it is in', () => {
  const edits = [
    { start: 4, end: 8, text: 'has' },
    { start: 13, end: 16, text: 'cats' },
  ];
  // "She have two cat." becomes "She has two cats."
  for (const [before, after] of [
    [0, 0],
    [4, 7],
    [6, 7],
    [8, 7],
    [9, 8],
    [16, 16],
    [17, 17],
  ])
    assert.equal(moveThrough(before, edits), after, String(before));
});

test('the edits between two texts make one of the other, with its space around', () => {
  const text = '  We goes home. ';
  const edits = editsBetween(text, 'We go home.');
  assert.equal(applyEdits(text, edits), '  We go home. ');
});

/** A model that answers what it is told, in two pieces. */
const model = (answer, seen = []) => ({
  chat: {
    completions: {
      async create(request) {
        seen.push(request);
        return (async function* () {
          for (const content of [answer.slice(0, 4), answer.slice(4)])
            yield { choices: [{ delta: { content } }] };
        })();
      },
    },
  },
});
const job = { signal: new AbortController().signal, dictionary: [], onText() {}, onEdits() {} };

test('an answer loses what models put around it, and one line stays one', async () => {
  const { text } = await run(model('"We go.\nNow."'), 'We goes now.', { action: 'improve' }, job);
  assert.equal(text, 'We go. Now.');
});

test('another wording is drawn, the first is not', async () => {
  const seen = [];
  for (const attempt of [0, 1])
    await run(model('Fine.', seen), 'Good.', { action: 'formal', attempt }, job);
  assert.equal(seen[0].temperature, 0);
  assert.ok(seen[1].temperature > 0);
});

test('words of the dictionary stay as they are', async () => {
  const corrections = [
    { startIndex: 0, endIndex: 6, correction: 'Siskins', types: ['spelling'] },
    { startIndex: 7, endIndex: 11, correction: 'is', types: ['grammar'] },
  ];
  const siskin = {
    async proofread(_text, { onSentence }) {
      onSentence({ startIndex: 0, endIndex: 17, corrections });
    },
  };
  const { edits } = await run(
    siskin,
    'Siskin are small.',
    { action: 'correct' },
    { ...job, dictionary: ['siskin'] },
  );
  assert.deepEqual(
    edits.map(({ text }) => text),
    ['is'],
  );
});

test('every action has a name, and nothing else is an action', () => {
  for (const name of Object.keys(ACTIONS)) assert.ok(isAction(name));
  for (const name of ['toString', '__proto__', 'choose', 7, undefined]) assert.ok(!isAction(name));
});

test('fields for secrets are known by their names, and others are not taken for them', () => {
  const secret =
    'password userPassword new_password passwd login-pass pwd PIN pin1 otp otpCode sms-code cvv ' +
    'cardCvc2 card-number cc_num cc-exp creditCard cardHolder expiryDate iban ssn accountNumber ' +
    'apiKey access_token one-time-code securityCode';
  for (const name of secret.split(' ')) assert.ok(namesSecret(name), name);
  const plain =
    'message comment compass footprint spinner shipping opinion passage title postcard discount ' +
    'description subject tokenizer bypass-note mission-statement cardio';
  for (const name of plain.split(' ')) assert.ok(!namesSecret(name), name);
  assert.ok(!namesSecret(null));
});
