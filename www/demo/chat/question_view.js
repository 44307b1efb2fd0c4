/** This module shows a message of the visitor, and lets it be edited. */
import { element, icon } from '../dom.js';

/**
 * @param {string} text
 * @param {(text: string) => void} onEdit called with the new text
 * @returns {HTMLLIElement}
 */
export function questionView(text, onEdit) {
  const bubble = element(
    'div',
    { className: 'bubble' },
    element('span', { className: 'hidden' }, 'You: '),
    text,
  );
  const edit = element('button', { type: 'button', className: 'quiet edit' }, icon('edit'));
  edit.setAttribute('aria-label', 'Edit message');
  edit.title = 'Edit message';
  const item = element('li', { className: 'user' }, edit, bubble);
  edit.addEventListener('click', () => {
    const form = editForm(text, {
      onDone(changed) {
        if (changed !== undefined) return onEdit(changed);
        form.replaceWith(edit, bubble);
        item.classList.remove('editing');
        edit.focus();
      },
    });
    item.replaceChildren(form);
    item.classList.add('editing');
    const box = /** @type {HTMLTextAreaElement} */ (form.querySelector('textarea'));
    box.focus();
    box.setSelectionRange(text.length, text.length);
  });
  return item;
}

/**
 * @param {string} text
 * @param {{onDone: (text: string | undefined) => void}} handlers `onDone` gets undefined where the
 *   message stays as it was
 */
function editForm(text, { onDone }) {
  const box = element('textarea', { value: text, rows: Math.min(8, text.split('\n').length + 1) });
  box.setAttribute('aria-label', 'Edit message');
  const cancel = element('button', { type: 'button', className: 'plain' }, 'Cancel');
  const form = element(
    'form',
    { className: 'editor' },
    box,
    element(
      'div',
      { className: 'row' },
      element('small', { className: 'muted' }, 'What follows is answered anew.'),
      cancel,
      element('button', { type: 'submit', className: 'primary' }, 'Send'),
    ),
  );
  const send = () => {
    const changed = box.value.trim();
    if (changed) onDone(changed);
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
  cancel.addEventListener('click', () => onDone(undefined));
  box.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      onDone(undefined);
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  });
  return form;
}
