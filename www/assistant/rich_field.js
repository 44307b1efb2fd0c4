/**
 * This module reads and changes editable elements. It types as a person would, by the browser's own
 * commands, so that editors that listen to `beforeinput` or watch the document take the change into
 * their own state and their own undo.
 */
import {
  MAX_CHARS,
  WHOLE_CHARS,
  applyEdits,
  mergeEdits,
  moveThrough,
  paragraphAt,
} from './passage.js';
import { OBJECT, TextMap, isBlock } from './text_map.js';

/** @import { Edit } from './passage.js' */
/** @import { Passage } from './text_field.js' */

/**
 * A `RichPassage` is what was read of an editable element: the text from `from` on of the blocks
 * from `first` to `last`.
 *
 * @typedef {Passage & {first: Node, last: Node, from: number}} RichPassage
 */

/** Editors hear of a new selection by an event; this is how long is waited for it. */
const SELECTION_MS = 60;
/** An editor that does not show a change within this time has not taken it. */
const SHOWN_MS = 800;
const PAUSE_MS = 10;
/** ProseMirror reads the document 20 ms after an input, others in the next frame. */
const READ_MS = 50;

/** A `RichField` is an editable element. */
export class RichField {
  is_multiline = true;

  /** @param {HTMLElement} element the editing host */
  constructor(element) {
    this.element = element;
  }

  /** @returns {Selection | null} */
  #selection() {
    const root = /** @type {any} */ (this.element.getRootNode());
    // Chromium has the selection of a shadow root here.
    return root.getSelection?.() ?? this.element.ownerDocument.getSelection();
  }

  /** @returns {Range | undefined} */
  #range() {
    const selection = this.#selection();
    if (!selection || selection.rangeCount === 0) return undefined;
    const range = selection.getRangeAt(0);
    return this.element.contains(range.commonAncestorContainer) ? range : undefined;
  }

  /**
   * Reads the selection, all of a short text, or the paragraph at the caret.
   *
   * @returns {RichPassage | 'too_long'}
   */
  read() {
    const range = this.#range();
    if (range && !range.collapsed) return this.#readSelection(range);
    const { element } = this;
    if ((element.textContent ?? '').length <= WHOLE_CHARS) return this.#passage(element, element);
    const caret = range?.startContainer ?? element;
    const block = this.#blockOf(caret);
    if ((block.textContent ?? '').length <= MAX_CHARS) return this.#passage(block, block);
    // One block that is too long: the sentences at the caret, in its text node.
    if (!range || caret.nodeType !== Node.TEXT_NODE) return 'too_long';
    const data = /** @type {Text} */ (caret).data;
    const [from, to] = paragraphAt(data, range.startOffset);
    return { first: caret, last: caret, from, text: data.slice(from, to), is_selection: false };
  }

  /** @param {Range} range */
  #readSelection(range) {
    if (range.toString().length > MAX_CHARS) return 'too_long';
    const [first, last] = [range.startContainer, range.endContainer].map((it) => this.#blockOf(it));
    // A selection of all has the host at one end.
    const is_all = first.contains(last) || last.contains(first);
    const outer = first.contains(last) ? first : last;
    const map = is_all
      ? new TextMap(outer, outer, 2 * MAX_CHARS)
      : new TextMap(first, last, 2 * MAX_CHARS);
    if (map.is_cut) return 'too_long';
    const from = map.offsetOf(range.startContainer, range.startOffset) ?? 0;
    const to = map.offsetOf(range.endContainer, range.endOffset) ?? map.text.length;
    const text = map.text.slice(from, to).replace(/\n+$/, '');
    const ends = is_all ? { first: outer, last: outer } : { first, last };
    return { ...ends, from, text, is_selection: true };
  }

  /**
   * @param {Node} first
   * @param {Node} last
   * @returns {RichPassage | 'too_long'}
   */
  #passage(first, last) {
    const map = new TextMap(first, last, 2 * MAX_CHARS);
    return map.is_cut ? 'too_long' : { first, last, from: 0, text: map.text, is_selection: false };
  }

  /** @param {Node} node */
  #blockOf(node) {
    let block = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
    while (block && block !== this.element && !isBlock(/** @type {Element} */ (block)))
      block = block.parentElement;
    return block ?? this.element;
  }

  /** Returns where in a passage the caret is. @param {RichPassage} passage */
  caretIn(passage) {
    const range = this.#range();
    const at = range && this.#mapOf(passage)?.offsetOf(range.endContainer, range.endOffset);
    return at === undefined ? passage.text.length : at - passage.from;
  }

  /**
   * Returns the ranges of what edits replace; of those that only put something in, the character
   * beside it.
   *
   * @param {RichPassage} passage
   * @param {readonly Edit[]} edits
   * @returns {Range[]}
   */
  rangesOf(passage, edits) {
    const map = this.#mapOf(passage);
    if (!map) return [];
    return edits.flatMap(({ start, end }) => {
      const from = passage.from + (start === end ? Math.max(0, start - 1) : start);
      const [first, last] = [map.placeOf(from, true), map.placeOf(passage.from + end, false)];
      if (!first || !last) return [];
      const range = this.element.ownerDocument.createRange();
      range.setStart(...first);
      range.setEnd(...last);
      return [range];
    });
  }

  /** Returns where the card goes beside: the selection, or the field. */
  rect() {
    const own = this.element.getBoundingClientRect();
    const rect = this.#range()?.getBoundingClientRect();
    if (!rect || (rect.height === 0 && rect.width === 0)) return own;
    return new DOMRect(own.left, rect.top, own.width, rect.height);
  }

  /** Whether it is still on the page, and may be changed. */
  get is_there() {
    return this.element.isConnected && this.element.isContentEditable;
  }

  /**
   * Returns whether a passage is as it was read.
   *
   * @param {RichPassage} passage
   */
  holds(passage) {
    const map = this.#mapOf(passage);
    return map !== undefined && map.text.startsWith(passage.text, passage.from);
  }

  /** @param {RichPassage} passage */
  #mapOf({ first, last }) {
    if (!this.element.contains(first) || !this.element.contains(last)) return undefined;
    const max = first.nodeType === Node.TEXT_NODE ? Infinity : 3 * MAX_CHARS;
    return new TextMap(first, last, max);
  }

  /**
   * Waits until the blocks of a passage have a text: some editors show it later.
   *
   * @param {RichPassage} passage
   * @param {string} text
   */
  async #mapWith(passage, text) {
    const end_ms = performance.now() + SHOWN_MS;
    do {
      await pause();
      const map = this.#mapOf(passage);
      if (map?.text === text) return map;
    } while (performance.now() < end_ms);
    return undefined;
  }

  /**
   * Makes edits, and returns the passage after them; undefined where the field did not take them.
   * Words are replaced where they stand, so that they keep their formatting.
   *
   * @param {RichPassage} passage
   * @param {readonly Edit[]} edits in order
   * @returns {Promise<RichPassage | undefined>}
   */
  async apply(passage, edits) {
    let map = this.#mapOf(passage);
    if (!map?.text.startsWith(passage.text, passage.from) || edits.length === 0) return undefined;
    const range = this.#range();
    const caret = range ? map.offsetOf(range.endContainer, range.endOffset) : undefined;
    this.element.focus({ preventScroll: true });
    const after = map.text.slice(passage.from + passage.text.length);
    const before = map.text.slice(0, passage.from);
    const groups = groupByRun(map, passage, edits);
    let rest = passage.text;
    // From the last to the first, so that what comes before an edit stays where it is.
    for (const edit of groups.reverse()) {
      if (!(await this.#type(map, passage.from, edit))) return undefined;
      rest = applyEdits(rest, [edit]);
      map = await this.#mapWith(passage, before + rest + after);
      if (!map) return undefined;
    }
    const own = (caret ?? passage.from + passage.text.length) - passage.from;
    const at = passage.from + moveThrough(Math.min(Math.max(own, 0), passage.text.length), edits);
    // Editors put the caret behind what was typed once they have read it.
    await pause(READ_MS);
    const place = this.#mapOf(passage)?.placeOf(at, false);
    const changed = nextSelection(this.element.ownerDocument);
    if (place) this.#selection()?.setBaseAndExtent(...place, ...place);
    await changed;
    return { ...passage, text: rest };
  }

  /**
   * Selects what an edit replaces, and types its text.
   *
   * @param {TextMap} map
   * @param {number} from
   * @param {Edit} edit
   */
  async #type(map, from, { start, end, text }) {
    const [first, last] = [map.placeOf(from + start, end > start), map.placeOf(from + end, false)];
    if (!first || !last) return false;
    const document = this.element.ownerDocument;
    const changed = nextSelection(document);
    const stop = end > start ? last : first;
    this.#selection()?.setBaseAndExtent(...first, ...stop);
    await changed;
    const give = (/** @type {string} */ type, /** @type {string | null} */ data) => {
      // The commands fire no `beforeinput`, by which some editors make the change themselves.
      if (!this.#announce(type, data)) return;
      if (type === 'deleteContentBackward') document.execCommand('delete');
      else document.execCommand(type, false, data ?? undefined);
    };
    text.split('\n').forEach((line, index) => {
      if (index > 0) give('insertParagraph', null);
      if (line !== '') give('insertText', line);
    });
    if (text === '') give('deleteContentBackward', null);
    return true;
  }

  /**
   * Tells the editor of an input to come, and returns whether the browser is to make it.
   *
   * @param {string} inputType
   * @param {string | null} data
   */
  #announce(inputType, data) {
    const range = this.#range();
    const targetRanges = range ? [new StaticRange(range)] : [];
    const init = { bubbles: true, cancelable: true, composed: true, inputType, data, targetRanges };
    const place = range?.startContainer;
    const target = place?.nodeType === Node.ELEMENT_NODE ? place : place?.parentElement;
    return (target ?? this.element).dispatchEvent(new InputEvent('beforeinput', init));
  }
}

/**
 * Puts edits of one text node together, which is one step of undo, and leaves others alone.
 *
 * @param {TextMap} map
 * @param {RichPassage} passage
 * @param {readonly Edit[]} edits
 * @returns {Edit[]}
 */
function groupByRun(map, { from, text }, edits) {
  /** @type {Edit[][]} */
  const groups = [];
  for (const edit of edits) {
    const group = groups.at(-1);
    const joined = group && map.runOf(from + group[0].start, from + edit.end);
    if (joined) group.push(edit);
    else groups.push([edit]);
  }
  return groups.map((group) => {
    const edit = mergeEdits(text, group);
    if (text.slice(edit.start, edit.end).includes(OBJECT)) return edit;
    // Where something is only taken out or put in, a letter beside it is typed again: editors hear
    // of typing more surely than of deleting.
    const run = map.runOf(from + edit.start, from + edit.end);
    if (edit.text !== '' || !run) return edit;
    if (from + edit.start > run.start && edit.start > 0)
      return { ...edit, start: edit.start - 1, text: text[edit.start - 1] };
    return edit;
  });
}

/**
 * Resolves when the selection has changed, or after a moment where it had not to.
 *
 * @param {Document} document
 */
function nextSelection(document) {
  return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
    const done = () => {
      document.removeEventListener('selectionchange', done);
      clearTimeout(timer);
      // Those who listened after this one have heard of it then.
      setTimeout(resolve);
    };
    const timer = setTimeout(done, SELECTION_MS);
    document.addEventListener('selectionchange', done);
  });
}

/** @param {number} [ms] */
function pause(ms = PAUSE_MS) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
