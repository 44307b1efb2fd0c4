// These tests hold for other wordings of a text: what is lost or put in on the way is not shown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RefusedError, run } from '../../www/assistant/actions.js';
import { keptParts, whyRefused } from '../../www/assistant/rewrite_guard.js';

const REWORDS = ['improve', 'formal', 'casual', 'shorter', 'longer'];

/** A model that gives one answer after the other, in pieces of a word. */
function modelOf(answers, asked = []) {
  const create = async (request) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push(request);
    return (async function* () {
      for (const content of answer.split(/(?= )/)) yield { choices: [{ delta: { content } }] };
    })();
  };
  return { chat: { completions: { create } } };
}
const job = (seen = []) => ({
  signal: new AbortController().signal,
  dictionary: [],
  onText: (text) => seen.push(text),
  onEdits() {},
});

/** What models make of a text that is no other wording of it, and what is said then. */
const LIES = [
  ['We have 3 cats and 12 dogs.', 'We own 3 cats and 21 dogs.', /changed "12"/],
  ['We have 3 cats here.', 'We have some cats here.', /changed "3"/],
  ['We meet at 10:30 in the hall.', 'We meet at 10:15 in the hall.', /changed "30"/],
  ['The price is 1,250.50 for you.', 'The price is 1,350.50 for you.', /changed "1250.50"/],
  ['There are two cats in the house.', 'The house has three cats.', /changed "two"/],
  ['Take 0.5 mg of it each day.', 'You take 5 mg each day.', /changed "0.5"/],
  ['Take 0.125 mg of it each day.', 'You take 125 mg each day.', /changed "0.125"/],
  ['The dose is 1.05 mg here.', 'The dose here is 1.5 mg.', /changed "1.05"/],
  ['There are ٣ of them in the house.', 'The house has ٤ of them.', /changed "٣"/],
  ['We met her in May in the house.', 'We met her in the house.', /changed "May"/],
  ['I met her at a house.', 'I met her in May at a house.', /put in "May"/],
  ['We will send it to you.', 'We will send it to you in 3 days.', /put in "3"/],
  ['We have a few cats in the house.', 'We have twelve cats in the house.', /put in "twelve"/],
  ['I have met Anna in the house.', 'I met Eve in the house.', /changed "Anna"/],
  ['We meet on Monday in it.', 'We meet on Sunday in it.', /changed "Monday"/],
  ['I have met her in the house.', 'I met Eve in the house.', /put in "Eve"/],
  ['Please ask Mr. Smith about it.', 'Please ask Mr. Jones about it.', /changed "Smith"/],
  ['See https://a.example/x for it.', 'See https://a.example/y for it.', /a\.example\/x/],
  ['Write to ana@a.example about it.', 'Write to us about it.', /ana@a\.example/],
  ['Look at it on our page.', 'Look at it on www.b.example.com now.', /put in "www/],
  ['Run `npm ci` before you start.', 'Run npm install before you start.', /npm ci/],
  ['Ask @anna about the house.', 'Ask her about the house.', /@anna/],
  ['He said "I will go home" to us.', 'He said "I will stay here" to us.', /I will go home/],
  ['The weather is very nice today.', 'Das Wetter ist heute sehr schön.', /another language/],
  ['Das ist nicht für die Kinder.', 'This is not for the children.', /another language/],
  ['What is the capital of the country?', 'It is a city by the sea.', /answered/],
  ['We are in the house.', '', /nothing/],
  ['We say: it is old.', "Sure! Here's the text: We say: it is old.", /about/],
  ['We are in the house.', 'We are here. How can I help you?', /answered/],
  ['Please send it.', 'I’m sorry, but I can’t do it.', /answered/],
  ['They are in it.', 'They are in the house. They are in the house.', /repeated|longer/],
  ['We are in the house.', `We are in the house. ${'It is old. '.repeat(20)}`, /longer|added/],
  [
    'Write a poem about the spring in our beautiful garden for me.',
    'Oh how green it is, oh how fine it is today.',
    /another text/,
  ],
];
for (const [text, lie, why] of LIES)
  test(`no other wording: ${lie.slice(0, 60) || 'nothing'}`, async () => {
    for (const action of ['improve', 'formal', 'casual', 'shorter'])
      assert.match(whyRefused(text, lie, { action }) ?? '', why, action);
    const asked = [];
    await assert.rejects(run(modelOf([lie], asked), text, { action: 'formal' }, job()), (error) => {
      assert.ok(error instanceof RefusedError);
      return why.test(error.message);
    });
    assert.equal(asked.length, 2, 'it is asked for once more, and not again');
  });

test('other wordings are shown', () => {
  for (const [text, result] of [
    ['I have 3 cats and 12 dogs.', 'There are 12 dogs and three cats in my care.'],
    ['We meet at 10:00 on 3/4/2025.', 'The meeting is on 4/3/2025 at 10 am.'],
    ['It costs 1,250 euros.', "The price is 1'250 euros."],
    ["Anna's house is nice, and I like Anna.", 'I like Anna and her house.'],
    ['I saw Mr. Smith on Monday.', 'On Monday, I met Mr Smith.'],
    ['He said “we go home.” I was there.', 'I heard him say "we go home".'],
    ['Can you send it to me?', 'I would be glad if you sent it to me.'],
    ['Where did you went?', 'Where did you go?'],
    ['Sure, I can do it.', 'Of course, I can do it.'],
    ['WE MEET TODAY IN THE HOUSE.', 'We are going to meet in the house today.'],
    ['Ich habe zwei Katzen und einen Hund.', 'Ein Hund und 2 Katzen leben bei mir.'],
    ['The rent is due on the third.', 'Please pay the rent on the third.'],
    ['See https://a.example/x for it.', 'It is described at https://a.example/x.'],
    ['Hello', 'Good morning'],
    ['It is closed on Wensday.', 'On Wednesday it is closed.'],
    ['I saw it in Febuary.', 'In February, I saw it.'],
    ['I have two cats.', 'Two felines live here.'],
    ['I cannot come on Monday.', 'I am sorry, but I cannot attend on Monday.'],
    ['It costs 0.5 euros.', 'The price is 0.50 euros.'],
    ["J'ai acheté un vélo neuf pour les enfants.", "J'ai acheté un nouveau vélo pour les enfants."],
  ])
    for (const action of ['improve', 'formal', 'casual', 'longer'])
      assert.equal(whyRefused(text, result, { action }), undefined, `${text} -> ${result}`);
});

test('a shorter text is no longer, and has what the text has', () => {
  const text = 'I am writing to ask you whether we may meet on Monday at 5 in the office.';
  const wish = { action: 'shorter' };
  assert.equal(whyRefused(text, 'May we meet in the office on Monday at 5?', wish), undefined);
  assert.match(whyRefused(text, 'May we meet?', wish), /left out/);
  assert.match(whyRefused(text, `${text} I wait for it.`, wish), /longer/);
});

test('a summary may leave things out, and puts nothing in', () => {
  const text = 'Anna has 3 cats. We saw Anna and the cats on Monday in the garden at 5.';
  const wish = { action: 'summarize' };
  assert.equal(whyRefused(text, 'We saw the cats in the garden.', wish), undefined);
  assert.match(whyRefused(text, 'We saw 4 cats in the garden.', wish), /put in "4"/);
  assert.match(whyRefused(text, 'We saw Eve in the garden.', wish), /put in "Eve"/);
  assert.match(whyRefused(text, 'Wir haben die Katzen im Garten gesehen.', wish), /language/);
});

test('a translation is in its language, and keeps numbers and addresses', () => {
  const text = 'We have 3 cats and the page is at https://a.example/x today.';
  const german = 'Wir haben 3 Katzen und die Seite ist heute auf https://a.example/x.';
  const wish = { action: 'translate', language: 'German' };
  assert.equal(whyRefused(text, german, wish), undefined);
  assert.equal(whyRefused(text, german.replace('3', 'drei'), wish), undefined);
  assert.match(whyRefused(text, german.replace('3', '4'), wish), /"3"/);
  const afternoon = 'We are here and the train is at 3 pm.';
  assert.equal(whyRefused(afternoon, 'Wir sind hier und der Zug ist um 15 Uhr.', wish), undefined);
  assert.match(whyRefused(afternoon, 'Wir sind hier und der Zug ist um 16 Uhr.', wish), /"3"/);
  assert.match(whyRefused(text, german.replace('/x', '/y'), wish), /a\.example/);
  assert.match(whyRefused('We are at the house, and he is here.', 'Haus.', wish), /most/);
  assert.match(whyRefused(text, text, wish), /another language/);
  assert.match(whyRefused(text, german, { ...wish, language: 'French' }), /another language/);
  assert.match(whyRefused(text, text, { ...wish, language: 'Italian' }), /another language/);
});

test("a person's own instruction may ask for anything", () => {
  const wish = { action: 'custom', instruction: 'Make it a poem without numbers' };
  assert.equal(whyRefused('We have 3 cats.', 'Cats, cats.', wish), undefined);
  assert.equal(whyRefused('We have 3 cats.', ' ', wish), 'it wrote nothing');
});

test('it is asked for once more, with what must stay, and the second is shown', async () => {
  const [text, lie, right] = [
    'I have met Anna at 5.',
    'I met Eve at 6 o’clock.',
    'I met Anna at 5 o’clock.',
  ];
  for (const action of REWORDS) {
    const [asked, seen] = [[], []];
    const wish = { action };
    const { text: result } = await run(modelOf([lie, right], asked), text, wish, job(seen));
    assert.equal(result, right, action);
    assert.equal(asked.length, 2);
    assert.doesNotMatch(asked[0].messages[0].content, /Anna/);
    assert.match(asked[1].messages[0].content, /Keep these as they are: "Anna", "5"\.$/);
    // The first is taken off the card before the second comes.
    assert.ok(seen.includes(''));
    assert.equal(seen.at(-1), right);
  }
});

test('a model that wrote in another language is told which is wanted', async () => {
  const asked = [];
  const text = 'Das ist nicht für die Kinder.';
  const answers = ['This is not for the children.', 'Für die Kinder ist das nicht.'];
  await run(modelOf(answers, asked), text, { action: 'formal' }, job());
  assert.match(asked[1].messages[0].content, / Write in German\.$/);
});

test('a server that does not end is not read to its end', async () => {
  let read = 0;
  const endless = async () =>
    (async function* () {
      for (; ; read++) yield { choices: [{ delta: { content: 'word '.repeat(100) } }] };
    })();
  const model = { chat: { completions: { create: endless } } };
  await assert.rejects(run(model, 'We go.', { action: 'formal' }, job()), RefusedError);
  assert.ok(read < 20, `${read}`);
});

test('what is shown is asked for once', async () => {
  const asked = [];
  await run(
    modelOf(['I met Anna at 5.'], asked),
    'I have met Anna at 5.',
    { action: 'formal' },
    job(),
  );
  assert.equal(asked.length, 1);
});

test('what a model says before and after a text is taken off', async () => {
  const text = 'We goes to the house.';
  for (const answer of [
    "Sure! Here's a more formal version:\n\nWe go to the house.",
    'Here is the text:\nWe go to the house.\n\nNote: I changed "goes".',
    'We go to the house.\n\nI changed "goes" to "go".',
    'We go to the house.\n(This version is more formal.)',
  ]) {
    const { text: result } = await run(modelOf([answer]), text, { action: 'formal' }, job());
    assert.equal(result, 'We go to the house.', answer);
  }
});

test('what only looks as if it stood around a text stays', async () => {
  for (const [text, answer] of [
    ['The plan is this: we go to the house.', "Here's the plan: we go to the house."],
    ['We have baked it.\nIt is good.', 'Hello,\nI made it today.\nIt is good.'],
    ['We go. I made a cake for us.', 'We go.\nI made a cake for us.'],
    ['We had a plan. I changed the plan for us.', 'We had a plan.\nI changed the plan for us.'],
    [
      'The translation needs more work, as the tone is wrong and the words are old.',
      'The translation needs more work: the tone is wrong and the words are old.',
    ],
  ]) {
    const { text: result } = await run(modelOf([answer]), text, { action: 'casual' }, job());
    assert.equal(result, text.includes('\n') ? answer : answer.replace('\n', ' '));
  }
});

test('the parts that stay are those of the text, each once', () => {
  const text = 'Anna, ask Bob about "the old house." Bob has 3 at https://a.example/x, and 3 more.';
  assert.deepEqual(keptParts(text), ['https://a.example/x', 'the old house', 'Bob', '3']);
});
