/** This module maps the text of rich fields to places in the document. */

/**
 * A `Run` is a stretch of the text: of a text node, or one character that stands for a line break,
 * the end of a block, or something that is no text.
 *
 * @typedef {{start: number, length: number, node: Text | null}} Run
 */

/** What stands for an image, a mention or another thing that is not text. */
export const OBJECT = '\uFFFC';
const SKIPPED = new Set(['script', 'style', 'template', 'noscript']);

/** A `TextMap` is the text of some blocks, and where each character is. */
export class TextMap {
  text = '';
  /** @type {Run[]} */
  runs = [];

  /**
   * @param {Node} first block or text node
   * @param {Node} last the same as `first`, or after it
   * @param {number} max_chars
   */
  constructor(first, last, max_chars) {
    this.#max_chars = max_chars;
    const end = last.ownerDocument?.createRange();
    end?.setStartAfter(last);
    for (let node = /** @type {Node | null} */ (first); node; node = nextAfter(node)) {
      if (node !== first && end && end.comparePoint(node, 0) > 0) break;
      // What holds the last block is walked into, and not taken whole.
      while (node !== last && node.contains(last) && node.firstChild) node = node.firstChild;
      this.#walk(node);
      if (node === last || this.is_cut) break;
    }
    this.text = this.text.replace(/\n+$/, '');
  }

  #max_chars;
  /** Whether there was more text than it may have. */
  is_cut = false;

  /** @param {Node} node */
  #walk(node) {
    if (this.is_cut) return;
    if (node.nodeType === Node.TEXT_NODE) return this.#addText(/** @type {Text} */ (node));
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    const element = /** @type {HTMLElement} */ (node);
    if (SKIPPED.has(element.localName)) return;
    if (element.localName === 'br') {
      if (hasTextAfter(element)) this.#addSign('\n');
      return;
    }
    if (!element.isContentEditable || element.localName === 'img') {
      this.#addSign(OBJECT);
      return;
    }
    const is_block = isBlock(element);
    if (is_block) this.#endLine();
    for (const child of element.childNodes) this.#walk(child);
    if (is_block) this.#endLine();
  }

  /** @param {Text} node */
  #addText(node) {
    const data = node.data;
    if (data === '') return;
    if (this.text.length + data.length > this.#max_chars) {
      this.is_cut = true;
      return;
    }
    this.runs.push({ start: this.text.length, length: data.length, node });
    this.text += plain(data, keepsLines(node));
  }

  /** @param {string} sign */
  #addSign(sign) {
    this.runs.push({ start: this.text.length, length: 1, node: null });
    this.text += sign;
  }

  #endLine() {
    if (this.text !== '' && !this.text.endsWith('\n')) this.#addSign('\n');
  }

  /**
   * Returns the place of an offset. Between two runs it is the end of the first, or the start of
   * the second where the text after it is meant.
   *
   * @param {number} at
   * @param {boolean} is_start
   * @returns {[Text, number] | undefined}
   */
  placeOf(at, is_start) {
    const holds = (/** @type {Run} */ { start, length }, /** @type {boolean} */ open) =>
      open ? start <= at && at < start + length : start < at && at <= start + length;
    const texts = this.runs.filter(({ node }) => node);
    const run = texts.find((it) => holds(it, is_start)) ?? texts.find((it) => holds(it, !is_start));
    return run?.node ? [run.node, at - run.start] : undefined;
  }

  /**
   * Returns the offset of a place, or undefined where it is not in the text.
   *
   * @param {Node} node
   * @param {number} offset
   */
  offsetOf(node, offset) {
    const own = this.runs.find((run) => run.node === node);
    if (own) return own.start + Math.min(offset, own.length);
    // Between the children of an element: before the first text that comes after it.
    const document = node.ownerDocument;
    if (!document) return undefined;
    for (const run of this.runs) {
      if (!run.node) continue;
      const range = document.createRange();
      range.selectNodeContents(run.node);
      if (range.comparePoint(node, offset) <= 0) return run.start;
    }
    return this.text.length;
  }

  /** Returns the text run that holds all of a range. @param {number} start @param {number} end */
  runOf(start, end) {
    return this.runs.find((run) => run.node && run.start <= start && end <= run.start + run.length);
  }
}

/** @param {Node} node */
function nextAfter(node) {
  let next = node;
  while (!next.nextSibling) {
    if (!next.parentNode) return null;
    next = next.parentNode;
  }
  return next.nextSibling;
}

/**
 * Returns whether an element is a block.
 *
 * @param {Element} element
 */
export function isBlock(element) {
  const { display } = getComputedStyle(element);
  return !/^(inline|contents|none|ruby)/.test(display);
}

/**
 * Returns whether a `br` is more than what keeps an empty line open.
 *
 * @param {Element} br
 * @returns {boolean}
 */
function hasTextAfter(br) {
  for (let next = br.nextSibling; next; next = next.nextSibling)
    if (next.nodeType === Node.ELEMENT_NODE || next.textContent) return true;
  const parent = br.parentElement;
  return Boolean(parent && !isBlock(parent) && hasTextAfter(parent));
}

/** @param {Text} node */
function keepsLines(node) {
  return node.parentElement
    ? /pre|break/.test(getComputedStyle(node.parentElement).whiteSpace)
    : false;
}

/**
 * Returns text as it is read: spaces that may not break are spaces.
 *
 * @param {string} data
 * @param {boolean} keeps_lines
 */
function plain(data, keeps_lines) {
  const text = data.replaceAll('\u00A0', ' ');
  return keeps_lines ? text : text.replace(/[\n\t]/g, ' ');
}
