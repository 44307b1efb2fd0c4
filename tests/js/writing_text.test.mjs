// These tests hold for the parts of proofreading that need no model: sentences, protected spans,
// differences and their types.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isOther } from '../../www/lib/writing/confusions.js';
import { correctionTypes } from '../../www/lib/writing/correction_types.js';
import { applyEdits, diff } from '../../www/lib/writing/diff.js';
import { detectLanguage } from '../../www/lib/writing/language.js';
import { patternEdits } from '../../www/lib/writing/patterns.js';
import { ruleEdits } from '../../www/lib/writing/rules.js';
import { sentences, splitPlainly } from '../../www/lib/writing/segments.js';
import { protectedSpans } from '../../www/lib/writing/spans.js';
import { tokenize } from '../../www/lib/writing/tokens.js';

const cut = (text, language = 'en') =>
  sentences(text, language).map(({ start, end }) => text.slice(start, end));

/** Returns a generator of numbers from 0 to below 1 that are the same each time (mulberry32). */
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe('sentences', () => {
  test('go on in a small letter', () => {
    assert.deepEqual(cut('He cried no! and left. Why?'), ['He cried no! and left.', 'Why?']);
  });

  test('are cut, and abbreviations do not end them', () => {
    assert.deepEqual(cut('We met Dr. Smith. He was late!  Why?'), [
      'We met Dr. Smith.',
      'He was late!',
      'Why?',
    ]);
    assert.deepEqual(cut('Das ist z. B. Anna. Sie kommt.', 'de'), [
      'Das ist z. B. Anna.',
      'Sie kommt.',
    ]);
  });

  test('do not end within an address', () => {
    assert.deepEqual(cut('See https://a.example/b?c=d!e for it. Yes.'), [
      'See https://a.example/b?c=d!e for it.',
      'Yes.',
    ]);
  });

  test('leave out what is not prose', () => {
    const text = [
      '# A heading it are',
      '',
      '- buy the milk',
      '2. call her',
      '',
      '> she go',
      '```js',
      'let it = 1.',
      '```',
      'After the code.',
      '',
      '    indented code',
      '',
      '| a | b |',
      '---',
    ].join('\n');
    assert.deepEqual(cut(text), ['buy the milk', 'call her', 'After the code.']);
  });

  test('go on in the next line of a wrapped paragraph, and not after a short line', () => {
    const wrapped =
      'This line is long enough that its sentence may well go on in\nthe next line. Yes.';
    assert.deepEqual(cut(wrapped), [wrapped.slice(0, -5), 'Yes.']);
    assert.deepEqual(cut('Hi Tom,\nthanks for it'), ['Hi Tom,', 'thanks for it']);
  });

  test('that are very long are left alone', () => {
    assert.deepEqual(cut(`Short one. ${'Word '.repeat(200)}end.`), ['Short one.']);
  });

  test('are cut by a plain rule where there is no segmenter', (t) => {
    assert.deepEqual(splitPlainly('One. Two! "Three?" Four e.g. five'), [
      'One. ',
      'Two! ',
      '"Three?" ',
      'Four e.g. five',
    ]);
    const { Segmenter } = Intl;
    t.after(() => (Intl.Segmenter = Segmenter));
    delete Intl.Segmenter;
    assert.deepEqual(cut('It rains. We stay.\n\nGood.'), ['It rains.', 'We stay.', 'Good.']);
  });

  test('of any text lie in order, within it, without white space around', () => {
    const random = numbers(1);
    const pieces = [
      'He go. ',
      'a',
      '\n',
      '\n\n',
      '- ',
      '> ',
      '```',
      'é😀 ',
      '?',
      '  ',
      '\r\n',
      'Dr. ',
      '1. ',
    ];
    for (let round = 0; round < 2000; round++) {
      const text = Array.from(
        { length: 12 },
        () => pieces[Math.floor(random() * pieces.length)],
      ).join('');
      let last = 0;
      for (const { start, end } of sentences(text, 'en')) {
        assert.ok(start >= last && end > start && end <= text.length, JSON.stringify(text));
        assert.equal(text.slice(start, end).trim(), text.slice(start, end));
        last = end;
      }
    }
  });
});

test('what is protected', () => {
  const spans = (text, options) =>
    protectedSpans(text, options).map((span) => `${span.kind} ${span.text}`);
  const cases = {
    'See https://a.example/b?c=d#e.': ['address https://a.example/b?c=d#e'],
    'Write to jo.doe@mail.example.org, please': ['address jo.doe@mail.example.org'],
    'at 06:55 on 9/5/2025 for £1,249.50 or 5 °C': [
      'number 06:55',
      'number 9/5/2025',
      'number £1,249.50',
      'number 5 °C',
    ],
    'run `npm i` and <b>x</b>': ['code `npm i`', 'markup <b>', 'markup </b>'],
    'hi 👍🏽 @tom #tag_1': ['emoji 👍🏽', 'mark @tom', 'mark #tag_1'],
    'he said “he go home” there': ['quote “he go home”'],
    "it's the dogs' bowl": [],
    'my friend Anna from New York': ['name Anna', 'name New', 'name York'],
    "Today I think I'm late. Then": [],
    'in src/lib/a.js or b.txt call getName': [
      'address src/lib/a.js',
      'address b.txt',
      'code getName',
    ],
  };
  for (const [text, expected] of Object.entries(cases))
    assert.deepEqual(spans(text), expected, text);
  assert.deepEqual(spans('Er hat ein Auto.', { names: false }), []);
});

describe('differences', () => {
  const edits = (one, other) => diff(one, other).map(({ start, end, text }) => [start, end, text]);

  test('are the smallest edits of words and signs', () => {
    assert.deepEqual(edits('She is teacher.', 'She is a teacher.'), [[7, 7, 'a ']]);
    assert.deepEqual(edits('He go  to\nschool', 'He goes to school.'), [
      [3, 5, 'goes'],
      [16, 16, '.'],
    ]);
    assert.deepEqual(edits('I like it ,very', 'I like it, very'), [
      [9, 10, ''],
      [11, 11, ' '],
    ]);
    assert.deepEqual(edits('thanks alot!', 'Thanks a lot!'), [
      [0, 6, 'Thanks'],
      [7, 11, 'a lot'],
    ]);
    assert.deepEqual(edits('We discussed about it', 'We discussed it'), [[13, 19, '']]);
    assert.deepEqual(edits('the same', 'the same'), []);
  });

  test('applied give the other text, but for how long white space is', () => {
    const random = numbers(2);
    const words = ['he', 'go', 'goes', 'the', 'The', ',', '.', "don't", '😀', 'é', 'a', 'é'];
    const gaps = [' ', ' ', ' ', '', '  ', '\n'];
    const pick = (list) => list[Math.floor(random() * list.length)];
    const text = () =>
      Array.from({ length: Math.floor(random() * 9) }, () => pick(words) + pick(gaps)).join('');
    const plain = (it) => it.replace(/\s+/g, ' ').trim();
    for (let round = 0; round < 20_000; round++) {
      const [one, other] = [text().trim(), text().trim()];
      const found = diff(one, other);
      const where = JSON.stringify([one, other, found]);
      assert.equal(plain(applyEdits(one, found)), plain(other), where);
      let last = 0;
      for (const { start, end, text } of found) {
        assert.ok(start >= last && end >= start && end <= one.length, where);
        assert.notEqual(one.slice(start, end), text, where);
        last = end;
      }
    }
  });

  test('of long texts that have nothing in common end', () => {
    const one = 'a '.repeat(2000).trim();
    const other = 'b '.repeat(2000).trim();
    assert.equal(applyEdits(one, diff(one, other)), other);
  });
});

test('tokens cover all but white space', () => {
  const text = "I don't  know: 3.5 km -- naïve co-op… 😀";
  const tokens = tokenize(text);
  assert.equal(tokens.map(({ text }) => text).join(''), text.replace(/\s/g, ''));
  assert.deepEqual(
    tokens.slice(0, 5).map(({ text, glued }) => [text, glued]),
    [
      ['I', false],
      ["don't", false],
      ['know', false],
      [':', true],
      ['3.5', false],
    ],
  );
});

test('types of corrections', () => {
  const typesOf = (one, other) => diff(one, other).map(correctionTypes).flat();
  const cases = [
    ['I recieved it', 'I received it', 'spelling'],
    ['He go home', 'He goes home', 'grammar'],
    ['They was late', 'They were late', 'grammar'],
    ['depends of it', 'depends on it', 'preposition'],
    ['She is teacher', 'She is a teacher', 'missing-words'],
    ['on monday', 'on Monday', 'capitalization'],
    ['Well I know', 'Well, I know', 'punctuation'],
    ['Is it.', 'Is it?', 'punctuation'],
    ['despues de comer', 'después de comer', 'spelling'],
    ['thanks alot', 'thanks a lot', 'spelling'],
  ];
  for (const [one, other, type] of cases) assert.deepEqual(typesOf(one, other), [type], other);
});

test('languages', () => {
  assert.equal(detectLanguage('The weather is nice today.'), 'en');
  assert.equal(detectLanguage('¿Dónde está la estación?'), 'es');
  assert.equal(detectLanguage('Ich weiß nicht, wo der Bahnhof ist.'), 'de');
  assert.equal(detectLanguage('Je ne sais pas où est la gare.'), 'fr');
  assert.equal(detectLanguage('Xyzzy plugh'), undefined);
});

test('rules', () => {
  const mended = (text, language) => {
    const edits = ruleEdits(text, language, /[.!?]$/.test(text));
    return applyEdits(
      text,
      edits.sort((one, other) => one.start - other.start),
    );
  };
  const cases = [
    ['en', 'I should of waited a hour for an bus.', 'I should have waited an hour for a bus.'],
    ['en', 'on monday i didnt go .', "On Monday I didn't go."],
    [
      'en',
      'It is bigger then it was, better then mine.',
      'It is bigger then it was, better than mine.',
    ],
    ['es', 'Vienes tambien a la estacion?', '¿Vienes también a la estación?'],
    ['de', 'Ich weiß dass er am montag kommt.', 'Ich weiß, dass er am Montag kommt.'],
    ['fr', 'Voila ma reponse !', 'Voilà ma réponse !'],
  ];
  for (const [language, text, right] of cases) assert.equal(mended(text, language), right);
  for (const [language, text] of [
    ['en', 'A European user had one hour, a unit and a one-way ticket.'],
    ['en', 'lol that movie was wild'],
    ['en', 'First we eat, then we go; i.e. at noon.'],
    ['es', '¿Vienes? ¡Sí, claro!'],
    ['de', 'Er sagt, dass er kommt, und dass es ohne dass er wartet geht, so dass es reicht.'],
    ['fr', 'Que fais-tu ? Rien !'],
  ])
    assert.deepEqual(
      ruleEdits(text, language, /[.!?]$/.test(text)).map(({ text }) => text),
      [],
      text,
    );
});

test('forms that are often wrong', () => {
  for (const [text, language, expected] of [
    ['I have seen him two days ago.', 'en', ['I saw him two days ago.']],
    ['She has finished it last night.', 'en', ['She finished it last night.']],
    ['I have seen him.', 'en', []],
    ['I am waiting since noon.', 'en', ['I have been waiting since noon.']],
    ['He is ill since ten days.', 'en', ['He is ill for ten days.']],
    ['He is ill since May.', 'en', []],
    ['Beim wandern war es warm.', 'de', ['Beim Wandern war es warm.']],
    ['Das große haus ist alt.', 'de', ['Das Große haus ist alt.']],
    ['Les enfants sont ici.', 'fr', []],
  ]) {
    const found = patternEdits(text, language).map((edit) => applyEdits(text, [edit]));
    assert.deepEqual(found, expected, text);
  }
});

test('words that are other words, and no forms of one', () => {
  for (const [language, one, other, expected] of [
    ['en', 'whether', 'if', true],
    ['en', 'been', 'was', true],
    ['en', 'is', 'are', false],
    ['en', 'to', 'for', false],
    ['en', 'there', 'their', false],
    ['en', 'see', 'saw', false],
    ['de', 'haben', 'hat', false],
    ['de', 'meine', 'meiner', false],
    ['de', 'meine', 'einem', true],
    ['de', 'ist', 'haben', true],
    ['de', 'für', 'auf', false],
    ['es', 'mejores', 'encuentres', true],
    ['es', 'Grasias', 'Gracias', false],
    ['es', 'oras', 'horas', false],
    ['fr', 'Ces', 'Les', true],
    ['fr', 'et', 'est', false],
    ['fr', 'sont', 'ont', true],
  ])
    assert.equal(isOther({ before: [one], after: [other] }, language), expected, `${one} ${other}`);
  assert.equal(isOther({ before: [], after: ['de'] }, 'fr'), false);
});
