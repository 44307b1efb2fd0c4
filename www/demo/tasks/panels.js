/** This module is the two panels with tasks: classifying a text, and taking facts out of one. */
import { element } from '../dom.js';
import { classify } from './classify.js';
import { extract } from './extract.js';
import { TaskPanel } from './task_panel.js';

/** @import { ModelSession } from '../model_session.js' */

const TO_CLASSIFY = [
  'I forgot my password and cannot get into my account.',
  'I want my money back, the jacket does not fit.',
  'Thank you so much, your team was wonderful!',
];

const TO_EXTRACT = [
  'Hi, this is Maria Lopez from Brightwater Ltd. Please send 12 chairs to 4 Harbour Street, Leeds, ' +
    'by 3 March. You can reach me at maria@brightwater.example.',
  'The workshop takes place in room 214 on Friday at 10 am. Sign up with Jonas Weber before ' +
    'Wednesday, jonas@example.org.',
];

/**
 * @param {ModelSession} session
 * @returns {TaskPanel}
 */
export function makeClassifyPanel(session) {
  return new TaskPanel({
    name: 'classify',
    title: 'Which label fits?',
    lead: 'The model weighs each label for the text. It writes nothing.',
    words_label: 'Labels, with commas between them',
    words: ['delivery', 'refund', 'login problem', 'praise'],
    action: 'Classify',
    examples: TO_CLASSIFY,
    least: 2,
    missing: 'Give at least two labels, with commas between them.',
    async run(text, labels, signal) {
      if (!session.siskin) return [];
      const shares = await classify(session.siskin, text, labels, signal);
      return [
        element(
          'ol',
          { className: 'shares' },
          ...shares.map(({ label, probability }) => {
            const percent = `${Math.round(probability * 100)}%`;
            const bar = element('meter', { min: 0, max: 1, value: probability });
            bar.setAttribute('aria-label', `${label}, ${percent}`);
            return element(
              'li',
              {},
              element('span', {}, label),
              bar,
              element('span', { className: 'percent' }, percent),
            );
          }),
        ),
      ];
    },
  });
}

/**
 * @param {ModelSession} session
 * @returns {TaskPanel}
 */
export function makeExtractPanel(session) {
  return new TaskPanel({
    name: 'extract',
    title: 'What does the text say?',
    lead: 'The model looks for each thing, and the page checks that the text has it word for word.',
    words_label: 'What to look for, with commas between',
    words: ['name', 'company', 'email', 'date'],
    action: 'Extract',
    examples: TO_EXTRACT,
    least: 1,
    missing: 'Name at least one thing to look for, with commas between several.',
    async run(text, fields, signal) {
      if (!session.siskin) return [];
      const found = await extract(session.siskin, text, fields, signal);
      const rows = found.map(({ field, value, is_quoted }) => {
        const cell = element('td', {}, value || 'not found');
        if (!value) cell.className = 'muted';
        if (value && !is_quoted)
          cell.append(element('small', { className: 'warning' }, 'not in the text word for word'));
        const head = element('th', {}, field);
        head.scope = 'row';
        return element('tr', {}, head, cell);
      });
      const caption = element('caption', { className: 'hidden' }, 'What was found');
      return [element('table', { className: 'facts' }, caption, element('tbody', {}, ...rows))];
    },
  });
}
