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

/** A `CornerButton` follows the focus until `end`. */
export class CornerButton {
  #document;
  #onClick;
  /** @type {Layer | undefined} */
  #layer;
  /** @type {HTMLElement | undefined} */
  #element;
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
      'aria-label': 'Siskin writing assistant',
      title: 'Siskin writing assistant',
    });
    button.append(makeLogo());
    // The field keeps the focus.
    button.addEventListener('mousedown', (event) => event.preventDefault());
    button.addEventListener('click', (event) => {
      if (event.isTrusted && layer.is_seen) this.#onClick();
    });
    layer.root.append(button);
    layer.open();
    return layer;
  }

  #hide() {
    this.#layer?.close();
    this.#layer = undefined;
    this.#element = undefined;
  }
}
