/** This module is the panels with tasks: a label for a text, facts out of one, and a receipt. */
import { element } from '../dom.js';
import { classify } from './classify.js';
import { extract } from './extract.js';
import { readReceipt } from './receipt.js';
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

const RECEIPTS = [
  'CORNER SHOP\n14 Mill Lane, Leeds\n2026-11-28 09:41\nApples 2.80\nCheddar 4.35\n' +
    'Oat drink 1.90\nTOTAL 9.05',
  'Book Nook, Bath\nDate: 2026-10-02\nRoad atlas 12.99\nPencil 0.80\nTotal to pay 13.79',
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

/**
 * @param {ModelSession} session
 * @returns {TaskPanel}
 */
export function makeReceiptPanel(session) {
  return new TaskPanel({
    name: 'receipt',
    title: 'What was bought?',
    lead: 'The answer is held to a JSON schema, so it always has a merchant, a date, a total and items.',
    action: 'Read receipt',
    examples: RECEIPTS,
    text_rows: 7,
    async run(text, _, signal) {
      if (!session.siskin) return [];
      const { merchant, date, total, items } = await readReceipt(session.siskin, text, signal);
      const row = (/** @type {string} */ name, /** @type {string} */ value) => {
        const head = element('th', {}, name);
        head.scope = 'row';
        return element('tr', {}, head, element('td', {}, value));
      };
      const rows = [
        row('Merchant', merchant),
        row('Date', date),
        ...items.map(({ name, price }) => row(name, price.toFixed(2))),
        row('Total', total.toFixed(2)),
      ];
      const caption = element('caption', { className: 'hidden' }, 'What the receipt says');
      const sum = items.reduce((sum, { price }) => sum + price, 0);
      const is_sum = Math.abs(sum - total) < 0.005;
      const note = element('p', { className: 'warning' }, 'The prices do not add up to the total.');
      return [
        element('table', { className: 'facts' }, caption, element('tbody', {}, ...rows)),
        ...(is_sum ? [] : [note]),
      ];
    },
  });
}
