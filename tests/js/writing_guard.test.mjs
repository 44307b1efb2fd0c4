// These tests hold for what proofreading refuses: answers that are no corrections, and edits that
// change what a sentence says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diff } from '../../www/lib/writing/diff.js';
import { changesMeaning, isTaste, whyNot } from '../../www/lib/writing/guard.js';
import { protectedSpans } from '../../www/lib/writing/spans.js';

function judge(original, changed) {
  const [spans, changed_spans] = [original, changed].map((text) => protectedSpans(text));
  const edits = diff(original, changed, spans, changed_spans);
  return whyNot({ original, changed, edits }, spans, changed_spans);
}

test('versions that are corrections', () => {
  for (const [original, changed] of [
    ['She go to school.', 'She goes to school.'],
    ['Where did you went.', 'Where did you go?'],
    [
      'on monday i fly to berlin with my colleague anna.',
      'On Monday I fly to Berlin with my colleague Anna.',
    ],
    ['Lets go its late', "Let's go. It's late."],
    ['I would like know if the room is free.', 'I would like to know if the room is free.'],
    ['He dont has no time left today.', "He doesn't have any time left today."],
    ['I cant finde my keis', "I can't find my keys"],
    ['I paid 5 € on Friday', 'I paid 5 € on Friday.'],
  ])
    assert.equal(judge(original, changed), undefined, changed);
});

test('versions that are not', () => {
  for (const [original, changed, why] of [
    ['She go to school.', '', /nothing/],
    ['She go to school.', 'Here is the corrected text: She goes to school.', /preamble/],
    ['She go to school.', 'She goes to school.\n\nI changed "go" to "goes".', /lines/],
    ['What is the capital of France?', 'Paris.', /answer/],
    ['What is the capital of France?', 'The capital of France is Paris.', /answer/],
    ['Write a short poem about autumn.', 'Autumn is a season of fall, when leaves turn gold.', /./],
    ['Translate this into German: I am here.', 'Ich bin hier.', /./],
    [
      'The weather is nice, and we are at home.',
      'Das Wetter ist schön, und wir sind zu Hause.',
      /./,
    ],
    ['It is late. She go to school.', 'She goes to school.', /./],
    ['She go to school, and he stays at home all day long.', 'She goes to school.', /./],
    ['She has 3 cats and 12 dog.', 'She has 3 cats and 21 dogs.', /number/],
    ['The invoice of 31/03/2025 are due.', 'The invoice of March 31 is due.', /number/],
    ['See https://a.example/x for a informations.', 'See the link for information.', /./],
    ['He said "I goes home" to she.', 'He said "I go home" to her.', /quote/],
    ['Run `npm i` befor you starts.', 'Run npm i before you start.', /./],
    ['Nice 😂 works good.', 'Nice, works well.', /./],
    ['We meets at five.', 'We meet at 5.', /number/],
  ])
    assert.match(judge(original, changed) ?? 'no reason', why, `${original} -> ${changed}`);
});

test('edits of what is right either way', () => {
  for (const [original, changed, expected] of [
    ['The committee have decided.', 'The committee has decided.', true],
    ['The team are happy.', 'The team is happy.', true],
    ['The teams have won.', 'The teams has won.', false],
    ['The team has won.', 'The team had won.', false],
    ['Tea, milk and sugar.', 'Tea, milk, and sugar.', true],
    ['Tea, milk, or sugar.', 'Tea, milk or sugar.', true],
    ['Well I think so.', 'Well, I think so.', false],
    ['Dr Okafor is in.', 'Dr. Okafor is in.', true],
    ['She is in', 'She is in.', false],
    ['Sorry!!', 'Sorry!', true],
    ['Are you in.', 'Are you in?', false],
  ]) {
    const [edit, ...more] = diff(original, changed);
    assert.deepEqual(more, []);
    assert.equal(isTaste(edit, original), expected, changed);
  }
});

test('edits that change what a sentence says', () => {
  const changes = (original, changed) => {
    const edits = diff(original, changed);
    assert.equal(edits.length, 1, changed);
    return changesMeaning(edits[0], protectedSpans(original));
  };
  for (const [original, changed] of [
    ['I do like it', 'I do not like it'],
    ["It isn't good", 'It is good'],
    ['He saw her there', 'He saw him there'],
    ['I like my car', 'I like your car'],
    ['I met Anna there', 'I met Ana there'],
    ['Er hat kein Geld', 'Er hat ein Geld'],
    ['Il a dit « bonjour', 'Il a dit “ bonjour'],
    ['Er sagte „ja', 'Er sagte ja'],
    ['She said hello" to him', 'She said hello to him'],
    ['Er sagt »das Haus sind alt« dazu', 'Er sagt »das Haus ist alt« dazu'],
  ])
    assert.equal(changes(original, changed), true, changed);
  for (const [original, changed] of [
    ['He dont like it', "He don't like it"],
    ['I like there car', 'I like their car'],
    ['Me like it', 'I like it'],
    ['I goes home', 'I go home'],
  ])
    assert.equal(changes(original, changed), false, changed);
});
