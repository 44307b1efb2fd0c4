/**
 * This module writes what a model is told. The beginning of a prompt is the same for each sentence,
 * so that the engine keeps it.
 */

/** @import { ChatMessage } from '../protocol.js' */
/** @import { Language } from './language.js' */
/** @import { LENGTHS, TONES } from './options.js' */

const INSTRUCTION =
  'Correct every mistake of grammar, spelling and punctuation in the text. Change nothing else. ' +
  'Answer with the corrected text only.';

/**
 * Sentences and their corrections. One that is right, is a question or gives an order shows that it
 * is repeated.
 *
 * @type {Record<Language, [string, string][]>}
 */
const EXAMPLES = {
  en: [
    ['He go to work by bus and he like it.', 'He goes to work by bus and he likes it.'],
    ['I has two cat and a dogs.', 'I have two cats and a dog.'],
    ['Write an email to the landlord.', 'Write an email to the landlord.'],
    ['Last night we eat at a italian restaurant.', 'Last night we ate at an Italian restaurant.'],
    ['My freind is intrested in musik.', 'My friend is interested in music.'],
    ['Where did you went on your vacation.', 'Where did you go on your vacation?'],
    [
      'She is afraid from dogs and listens music at home.',
      'She is afraid of dogs and listens to music at home.',
    ],
    ['Your right, its better then there old car.', "You're right, it's better than their old car."],
    ['He is teacher and he work in big school.', 'He is a teacher and he works in a big school.'],
    ['i dont no if paul can come on friday', "I don't know if Paul can come on Friday."],
  ],
  es: [
    ['Los niños juega en el parque.', 'Los niños juegan en el parque.'],
    ['Ella tiene los ojos azul y el pelo negra.', 'Ella tiene los ojos azules y el pelo negro.'],
    ['Escribe una carta al director.', 'Escribe una carta al director.'],
    ['Anoche comemos en un restaurante italiano.', 'Anoche comimos en un restaurante italiano.'],
    ['Mi ermano bive en Madrid tanbién.', 'Mi hermano vive en Madrid también.'],
    ['Donde esta la estacion?', '¿Dónde está la estación?'],
    ['Pienso de ella todos los días.', 'Pienso en ella todos los días.'],
    ['El problema es muy difícil a resolver.', 'El problema es muy difícil de resolver.'],
  ],
  de: [
    ['Er gehen jeden Tag in die Schule.', 'Er geht jeden Tag in die Schule.'],
    ['Ich habe ein Hund und eine Kater.', 'Ich habe einen Hund und einen Kater.'],
    ['Schreibe einen Brief an den Vermieter.', 'Schreibe einen Brief an den Vermieter.'],
    ['Gestern wir haben im restaurant gegessen.', 'Gestern haben wir im Restaurant gegessen.'],
    ['Mein Brüder wont auch in Berlin.', 'Mein Bruder wohnt auch in Berlin.'],
    ['Weißt du wo der Bahnhof ist.', 'Weißt du, wo der Bahnhof ist?'],
    ['Sie denkt oft über ihn nach, das er krank ist.', 'Sie denkt oft daran, dass er krank ist.'],
    ['Wir sind mit den Auto nach Hause gefahrt.', 'Wir sind mit dem Auto nach Hause gefahren.'],
  ],
  fr: [
    ['Les filles joue dans le jardin.', 'Les filles jouent dans le jardin.'],
    ['Elle a deux chat et une chien.', 'Elle a deux chats et un chien.'],
    ['Écris une lettre au directeur.', 'Écris une lettre au directeur.'],
    ['Hier soir nous mangeons au restaurant.', 'Hier soir, nous avons mangé au restaurant.'],
    ['Mon frere abite ossi a Paris.', 'Mon frère habite aussi à Paris.'],
    ['Ou est la gare.', 'Où est la gare ?'],
    ['Je pense de toi tous les jours.', 'Je pense à toi tous les jours.'],
    [
      "Ses un bon livre, je lé lu l'année dernière.",
      "C'est un bon livre, je l'ai lu l'année dernière.",
    ],
  ],
};

/**
 * Returns what each conversation that asks for a correction begins with.
 *
 * @param {Language} language
 * @returns {ChatMessage[]}
 */
export function correctionExamples(language) {
  return [
    { role: 'system', content: INSTRUCTION },
    ...EXAMPLES[language].flatMap(([text, corrected]) => [
      { role: /** @type {const} */ ('user'), content: text },
      { role: /** @type {const} */ ('assistant'), content: corrected },
    ]),
  ];
}

/**
 * Returns the conversation that asks for a correction.
 *
 * @param {string} sentence
 * @param {Language} language
 * @returns {ChatMessage[]}
 */
export function correctionPrompt(sentence, language) {
  return [...correctionExamples(language), { role: 'user', content: sentence }];
}

/**
 * Returns the conversation that asks for a correction without examples: the model changes more
 * after it, for the better and for the worse.
 *
 * @param {string} sentence
 * @returns {ChatMessage[]}
 */
export function plainPrompt(sentence) {
  return [
    {
      role: 'user',
      content:
        'Correct the spelling and grammar of this text. Answer with the corrected text only.' +
        `\n\n${sentence}`,
    },
  ];
}

/** @type {Record<typeof TONES[number], string>} */
const TONE_WISHES = {
  'as-is': '',
  'more-formal': 'Make it more formal and polite. ',
  'more-casual': 'Make it more casual and friendly. ',
};

/** @type {Record<typeof LENGTHS[number], string>} */
const LENGTH_WISHES = {
  'as-is': '',
  shorter: 'Make it shorter, and keep what matters. ',
  longer: 'Make it longer and more detailed, and add no facts. ',
};

/**
 * Returns the conversation that asks for another wording.
 *
 * @param {string} text
 * @param {object} wishes
 * @param {typeof TONES[number]} wishes.tone
 * @param {typeof LENGTHS[number]} wishes.length
 * @param {string | undefined} wishes.instruction
 * @returns {ChatMessage[]}
 */
export function rewritePrompt(text, { tone, length, instruction }) {
  const wishes = TONE_WISHES[tone] + LENGTH_WISHES[length] + (instruction ?? '');
  return [
    {
      role: 'system',
      content:
        `Rewrite the text that the user gives. ${wishes || 'Say the same in better words.'} ` +
        'Keep its meaning, its language, names and numbers. Do not answer it. Reply with the ' +
        'rewritten text only.',
    },
    { role: 'user', content: `Text:\n${text}` },
  ];
}
