/** This module shows a small button at the corner of the field that has the focus. */
import { CORNER_STYLE } from './card_style.js';
import { make, makeLogo } from './dom.js';
import { fieldOf, focusedElement } from './fields.js';
import { Layer } from './layer.js';

/** Smaller fields have no room for it. */
const MIN_WIDTH = 160;
const MIN_HEIGHT = 28;
const SIZE = 26;
const INSET = 4;
/** The button has room for two digits. */
const MAX_COUNT = 99;

/** A `CornerButton` follows the focus until `end`. */
export class CornerButton {
  #document;
  #onClick;
  /** @type {Layer | undefined} */
  #layer;
  /** @type {HTMLElement | undefined} */
  #element;
  /** @type {HTMLButtonElement | undefined} */
  #button;
  #count = 0;
  #is_frame_asked = false;

  /**
   * @param {Document} document
   * @param {() => void} onClick
   */
  constructor(document, onClick) {
    this.#document = document;
    this.#onClick = onClick;
    document.addEventListener('focusin', this.#update, true);
    document.addEventListener('focusout', this.#update, true);
    const window = document.defaultView;
    window?.addEventListener('scroll', this.#update, { capture: true, passive: true });
    window?.addEventListener('resize', this.#update);
    this.#update();
  }

  end() {
    this.#document.removeEventListener('focusin', this.#update, true);
    this.#document.removeEventListener('focusout', this.#update, true);
    const window = this.#document.defaultView;
    window?.removeEventListener('scroll', this.#update, true);
    window?.removeEventListener('resize', this.#update);
    this.#hide();
  }

  /** Shows how many corrections there are. @param {number} count 0 shows none */
  setCount(count) {
    this.#count = count;
    this.#label();
  }

  /** Looks at the focus at most once a frame. */
  #update = () => {
    if (this.#is_frame_asked) return;
    this.#is_frame_asked = true;
    requestAnimationFrame(() => {
      this.#is_frame_asked = false;
      this.#place();
    });
  };

  #place() {
    const element = focusedElement(this.#document);
    if (element !== this.#element || !this.#layer) {
      this.#hide();
      const field = fieldOf(element);
      if (!field) return;
      this.#element = /** @type {HTMLElement} */ (element);
    }
    const rect = this.#element?.getBoundingClientRect();
    if (!rect || rect.width < MIN_WIDTH || rect.height < MIN_HEIGHT) return this.#hide();
    this.#layer ??= this.#make();
    const bottom = Math.min(rect.bottom, window.innerHeight);
    const right = Math.min(rect.right, window.innerWidth);
    const is_line = rect.height < 2 * SIZE;
    const top = is_line ? rect.top + (rect.height - SIZE) / 2 : bottom - SIZE - INSET;
    this.#layer.move({ left: right - SIZE - INSET, top });
  }

  #make() {
    const layer = new Layer(this.#document, CORNER_STYLE);
    const button = make('button', {
      type: 'button',
      className: 'corner',
    });
    this.#button = button;
    this.#label();
    // The field keeps the focus.
    button.addEventListener('mousedown', (event) => event.preventDefault());
    button.addEventListener('click', (event) => {
      if (event.isTrusted && layer.is_seen) this.#onClick();
    });
    layer.root.append(button);
    layer.open();
    return layer;
  }

  #label() {
    const button = this.#button;
    if (!button) return;
    const count = this.#count;
    const found = count > 0 ? `: ${count} ${count === 1 ? 'correction' : 'corrections'}` : '';
    for (const name of ['aria-label', 'title'])
      button.setAttribute(name, `Siskin writing assistant${found}`);
    button.classList.toggle('found', count > 0);
    button.replaceChildren(count > 0 ? String(Math.min(count, MAX_COUNT)) : makeLogo());
  }

  #hide() {
    this.#layer?.close();
    this.#layer = undefined;
    this.#button = undefined;
    this.#element = undefined;
  }
}
