/** This module reads and changes an input or a textarea as a person would, so that undo works. */
import {
  MAX_CHARS,
  WHOLE_CHARS,
  applyEdits,
  mergeEdits,
  moveThrough,
  paragraphAt,
} from './passage.js';

/** @import { Edit } from './passage.js' */

/**
 * A `Passage` is what was read of a field.
 *
 * @typedef {object} Passage
 * @property {string} text
 * @property {boolean} is_selection
 */

/** A `TextField` is an input or a textarea. */
export class TextField {
  /** @param {HTMLInputElement | HTMLTextAreaElement} element */
  constructor(element) {
    this.element = element;
    this.is_multiline = element.localName === 'textarea';
  }

  /**
   * Reads the selection, all of a short text, or the paragraph at the caret.
   *
   * @returns {(Passage & {from: number}) | 'too_long'}
   */
  read() {
    const { value } = this.element;
    const caret = this.element.selectionStart ?? value.length;
    const end = this.element.selectionEnd ?? caret;
    if (end > caret) {
      if (end - caret > MAX_CHARS) return 'too_long';
      return { text: value.slice(caret, end), from: caret, is_selection: true };
    }
    const [from, to] = value.length <= WHOLE_CHARS ? [0, value.length] : paragraphAt(value, caret);
    return { text: value.slice(from, to), from, is_selection: false };
  }

  /** Returns where in a passage the caret is. @param {Passage & {from: number}} passage */
  caretIn({ from, text }) {
    return (this.element.selectionEnd ?? from + text.length) - from;
  }

  /** Returns where the card goes beside. */
  rect() {
    return this.element.getBoundingClientRect();
  }

  /** Whether it is still on the page, and may be changed. */
  get is_there() {
    return this.element.isConnected && !this.element.readOnly && !this.element.disabled;
  }

  /**
   * Returns whether a passage is as it was read.
   *
   * @param {Passage & {from: number}} passage
   */
  holds({ text, from }) {
    return this.element.value.startsWith(text, from);
  }

  /**
   * Makes edits in one step of undo, and returns the passage after it; undefined where the field
   * did not take them.
   *
   * @param {Passage & {from: number}} passage
   * @param {readonly Edit[]} edits in order
   * @returns {Promise<(Passage & {from: number}) | undefined>}
   */
  async apply(passage, edits) {
    const { element } = this;
    if (!this.holds(passage) || edits.length === 0) return undefined;
    const { from, text } = passage;
    const all = element.value;
    const caret = Math.min(Math.max((element.selectionEnd ?? from) - from, 0), text.length);
    const edit = mergeEdits(text, edits);
    const result = applyEdits(text, edits);
    const expected = all.slice(0, from) + result + all.slice(from + text.length);
    element.focus({ preventScroll: true });
    element.setSelectionRange(from + edit.start, from + edit.end);
    const document = element.ownerDocument;
    if (edit.text === '') document.execCommand('delete');
    else document.execCommand('insertText', false, edit.text);
    if (element.value !== expected) this.#force(expected, from + edit.start, from + edit.end, edit);
    if (element.value !== expected) return undefined;
    const at = from + moveThrough(caret, edits);
    element.setSelectionRange(at, at);
    return { ...passage, text: result };
  }

  /**
   * Changes the value where no command does: undo is lost, but the page hears of it.
   *
   * @param {string} expected
   * @param {number} start
   * @param {number} end
   * @param {Edit} edit
   */
  #force(expected, start, end, { text }) {
    const { element } = this;
    if (expected.length > 0 && element.maxLength >= 0 && expected.length > element.maxLength)
      return;
    const init = { bubbles: true, composed: true, inputType: 'insertReplacementText', data: text };
    if (!element.dispatchEvent(new InputEvent('beforeinput', { ...init, cancelable: true })))
      return;
    element.setRangeText(text, start, end, 'end');
    element.dispatchEvent(new InputEvent('input', init));
  }
}
