/**
 * This module underlines ranges of the document by the CSS Custom Highlight API, which changes
 * nothing in the page's tree. Inputs and textareas have no ranges, so nothing is underlined there.
 */

/** The name of the highlight. A page may read it, and knows the text anyway. */
const NAME = 'siskin-corrections';
const STYLE = `::highlight(${NAME}) {
  text-decoration: underline wavy #c4502a; text-decoration-skip-ink: none; }`;

/** An `Underlines` shows one set of ranges at a time. */
export class Underlines {
  /** @type {CSSStyleSheet | undefined} */
  #sheet;

  /**
   * @param {Element} element that holds the ranges
   * @param {Range[]} ranges
   */
  show(element, ranges) {
    if (!globalThis.CSS?.highlights) return;
    // A page may replace the list of its sheets at any time.
    const root = /** @type {Document | ShadowRoot} */ (element.getRootNode());
    const sheet = (this.#sheet ??= makeSheet());
    if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
    CSS.highlights.set(NAME, new Highlight(...ranges));
  }

  clear() {
    globalThis.CSS?.highlights?.delete(NAME);
  }
}

function makeSheet() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  return sheet;
}
