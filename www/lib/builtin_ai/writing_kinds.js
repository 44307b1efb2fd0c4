/** This module says what `Rewriter`, `Writer` and `Summarizer` take, and what the model is told. */
import { languageName } from './languages.js';

/** @import { ChatMessage } from '../protocol.js' */
/** @import { Texts, WritingKind } from './writing_interface.js' */

const AS_IS = 'as-is';
const FORMATS = ['plain-text', 'markdown'];
const LENGTHS = ['short', 'medium', 'long'];

/** A token is a letter or more, so that this is enough for a text as long as the input. */
const EXTRA_TOKENS = 64;

/**
 * An `Example` is an input and what is made of it. Small models follow one better than a rule.
 *
 * @typedef {{input: string, output: string}} Example
 */

/**
 * Returns the messages of a task.
 *
 * @param {string} role what the model is
 * @param {(string | undefined)[]} rules
 * @param {Texts} texts
 * @param {Example} [example]
 * @returns {ChatMessage[]}
 */
function messagesOf(role, rules, { input, contexts }, example) {
  const asked = rules.filter(Boolean).join(' ');
  const background = contexts.map((context) => `Background: ${context}`);
  const shown = example
    ? [
        { role: /** @type {const} */ ('user'), content: `${asked}\n\n${example.input}` },
        { role: /** @type {const} */ ('assistant'), content: example.output },
      ]
    : [];
  return [
    { role: 'system', content: [role, ...background].join('\n') },
    ...shown,
    { role: 'user', content: `${asked}\n\n${input}` },
  ];
}

/**
 * @param {string | undefined} language
 * @param {string} [otherwise]
 */
function languageRule(language, otherwise) {
  return language === undefined ? otherwise : `Write in ${languageName(language)}.`;
}

/** @type {Record<string, string>} */
const FORMAT_RULES = {
  'plain-text': 'Write plain text without any markup.',
  markdown: 'Write Markdown.',
};

/** @type {Record<string, string>} */
const REWRITE_RULES = {
  'more-formal': 'Make it more formal, without contractions or slang.',
  'more-casual': 'Make it more casual and friendly.',
  shorter: 'Make it shorter.',
  longer: 'Make it longer, with more detail.',
};

/** A question, so that the model sees that texts are not answered. */
const REWRITE_INPUT = 'can u tell me when the shop opens on monday?';
/** @type {Record<string, string>} */
const REWRITE_OUTPUTS = {
  'more-formal': 'Could you please tell me when the shop opens on Monday?',
  'more-casual': 'hey, when does the shop open on monday?',
  shorter: 'When does the shop open on Monday?',
  longer:
    'Can you please tell me at what time the shop opens on Monday morning, so that I can plan my ' +
    'visit?',
  'as-is': 'Can you tell me at what time the shop opens on Monday?',
};

/** @type {WritingKind} */
export const REWRITER = {
  name: 'Rewriter',
  method: 'rewrite',
  choices: {
    tone: { values: [AS_IS, 'more-formal', 'more-casual'], initial: AS_IS },
    format: { values: [AS_IS, ...FORMATS], initial: AS_IS },
    length: { values: [AS_IS, 'shorter', 'longer'], initial: AS_IS },
  },
  // The answer takes about as many tokens as the text.
  input_share: 1 / 2,
  ofBlank: (input) => input,
  task: ({ tone, format, length }, texts) => {
    const rules = [
      'Rewrite the following text in other words, with the same meaning.',
      REWRITE_RULES[tone],
      REWRITE_RULES[length],
      FORMAT_RULES[format],
      languageRule(texts.language, 'Keep its language.'),
    ];
    const role = 'You rewrite texts. You do not answer them. You give the new text alone.';
    return {
      messages: messagesOf(role, rules, texts, {
        input: REWRITE_INPUT,
        output: REWRITE_OUTPUTS[tone === AS_IS ? length : tone],
      }),
      request: { temperature: 0, max_tokens: 2 * texts.input.length + EXTRA_TOKENS },
    };
  },
};

/** @type {Record<string, string>} */
const TONE_RULES = {
  formal: 'Be formal and precise.',
  neutral: '',
  casual: 'Be casual and friendly.',
};

/** The drafts' limits of a text, in words. @type {Record<string, number>} */
const WRITER_WORDS = { short: 100, medium: 300, long: 500 };
/** A word of most languages takes less. */
const TOKENS_PER_WORD = 3;

/** @type {WritingKind} */
export const WRITER = {
  name: 'Writer',
  method: 'write',
  choices: {
    tone: { values: ['formal', 'neutral', 'casual'], initial: 'neutral' },
    format: { values: FORMATS, initial: 'markdown' },
    length: { values: LENGTHS, initial: 'short' },
  },
  input_share: 1 / 2,
  ofBlank: () => '',
  task: ({ tone, format, length }, texts) => {
    const words = WRITER_WORDS[length];
    const rules = [
      `Write the text that is asked for, in no more than ${words} words.`,
      TONE_RULES[tone],
      FORMAT_RULES[format],
      languageRule(texts.language, 'Write in the language of the request.'),
    ];
    return {
      messages: messagesOf('You write texts. You give the text alone.', rules, texts),
      request: { temperature: 0.7, max_tokens: TOKENS_PER_WORD * words },
    };
  },
};

/** What a summary is, by type and length. @type {Record<string, Record<string, string>>} */
const SUMMARY_RULES = {
  tldr: {
    short: 'Summarize the following text in one sentence.',
    medium: 'Summarize the following text in one short paragraph.',
    long: 'Summarize the following text in one paragraph.',
  },
  teaser: {
    short: 'Write one sentence that makes people want to read the following text.',
    medium: 'Write a short paragraph that makes people want to read the following text.',
    long: 'Write a paragraph that makes people want to read the following text.',
  },
  'key-points': {
    short: 'List the most important points of the following text, at most 3 bullet points.',
    medium: 'List the most important points of the following text, at most 5 bullet points.',
    long: 'List the most important points of the following text, at most 7 bullet points.',
  },
  headline: {
    short: 'Write a headline for the following text, of at most 12 words.',
    medium: 'Write a headline for the following text, of at most 17 words.',
    long: 'Write a headline for the following text, of at most 22 words.',
  },
};
const SUMMARY_INPUT =
  'Our library is closed on Monday because the heating is being repaired. It opens again on ' +
  'Tuesday at nine. Books that are due on Monday can be returned a day later without a fee.';
/** @type {Record<string, string>} */
const SUMMARY_OUTPUTS = {
  tldr: 'The library is closed on Monday for repairs.',
  teaser: 'On your way to the library on Monday? Read this before you leave.',
  'key-points':
    '- The library is closed on Monday.\n- It opens again on Tuesday at nine.\n' +
    '- Books due on Monday can be returned a day later.',
  headline: 'Library Closed on Monday for Heating Repairs',
};
/** @type {Record<string, number>} */
const SUMMARY_TOKENS = { short: 200, medium: 350, long: 500 };

/** @type {WritingKind} */
export const SUMMARIZER = {
  name: 'Summarizer',
  method: 'summarize',
  choices: {
    type: { values: Object.keys(SUMMARY_RULES), initial: 'key-points' },
    format: { values: FORMATS, initial: 'markdown' },
    length: { values: LENGTHS, initial: 'short' },
    preference: { values: ['auto', 'speed', 'capability'], initial: 'auto' },
  },
  input_share: 3 / 4,
  ofBlank: () => '',
  task: ({ type, format, length }, texts) => {
    const rules = [
      SUMMARY_RULES[type][length],
      FORMAT_RULES[format],
      languageRule(texts.language, 'Keep its language.'),
    ];
    const role = 'You summarize texts. You do not answer them. You give the summary alone.';
    return {
      messages: messagesOf(role, rules, texts, {
        input: SUMMARY_INPUT,
        output: SUMMARY_OUTPUTS[type],
      }),
      request: { temperature: 0, max_tokens: SUMMARY_TOKENS[length] },
    };
  },
};
