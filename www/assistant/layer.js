/**
 * This module puts something over a page that the page can neither read nor use: a closed shadow
 * root in the browser's top layer. It notices whether what is in it can be seen.
 */

/** No rule of the page's reaches these. */
const HOST_STYLE = {
  all: 'initial',
  position: 'fixed',
  inset: 'auto',
  margin: '0',
  padding: '0',
  border: '0',
  background: 'none',
  overflow: 'visible',
  display: 'block',
  opacity: '1',
  visibility: 'visible',
  'pointer-events': 'auto',
  'z-index': '2147483647',
};

/** What is seen as it is has these styles. @type {Record<string, string>} */
const PLAIN = {
  opacity: '1',
  visibility: 'visible',
  filter: 'none',
  transform: 'none',
  clipPath: 'none',
  maskImage: 'none',
  mixBlendMode: 'normal',
};

/** Chromium looks this often whether something is covered; it takes no less. */
const VISIBLE_MS = 100;
/** Events that a person makes in the layer are not the page's business. */
const OWN_EVENTS = [
  'keydown keyup keypress beforeinput input change compositionstart compositionupdate',
  'compositionend paste copy cut click dblclick mousedown mouseup pointerdown pointerup',
  'pointermove mousemove mouseover mouseout wheel touchstart touchend focusin focusout contextmenu',
].flatMap((names) => names.split(' '));

/** A `Layer` is one thing over the page. */
export class Layer {
  #document;
  #host;
  #is_seen = true;
  /** @type {IntersectionObserver | undefined} */
  #observer;

  /**
   * @param {Document} document
   * @param {string} style
   */
  constructor(document, style) {
    this.#document = document;
    this.#host = document.createElement('div');
    this.#host.setAttribute('popover', 'manual');
    for (const [name, value] of Object.entries(HOST_STYLE))
      this.#host.style.setProperty(name, value, 'important');
    /** What it shows. @type {ShadowRoot} */
    this.root = this.#host.attachShadow({ mode: 'closed' });
    // A page's policy may forbid style elements; this is none.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    this.root.adoptedStyleSheets = [sheet];
    for (const name of OWN_EVENTS)
      this.#host.addEventListener(name, (event) => event.stopPropagation());
  }

  /** Whether it is on the page. */
  get is_open() {
    return this.#host.isConnected;
  }

  /**
   * Whether a person sees it as it is: nothing covers it, and it is not faint. Where the browser
   * does not tell, it is taken to be seen.
   */
  get is_seen() {
    // What the page did to the element itself counts at once; the observer is some frames late.
    const style = /** @type {any} */ (getComputedStyle(this.#host));
    this.#look(this.#observer?.takeRecords() ?? []);
    return this.#is_seen && Object.entries(PLAIN).every(([name, value]) => style[name] === value);
  }

  /** Whether an event comes from within. @param {Event} event */
  holds(event) {
    return event.composedPath().includes(this.#host);
  }

  open() {
    // Whatever hides the body does not hide this.
    this.#document.documentElement.append(this.#host);
    this.#host.showPopover?.();
    this.#watch();
  }

  close() {
    this.#observer?.disconnect();
    this.#host.remove();
  }

  /**
   * @param {{left: number, top: number, width?: number, max_height?: number}} place in pixels of
   *   the window
   */
  move({ left, top, width, max_height }) {
    const set = (/** @type {string} */ name, /** @type {number | undefined} */ value) =>
      value !== undefined && this.#host.style.setProperty(name, `${value}px`, 'important');
    set('left', left);
    set('top', top);
    set('width', width);
    set('max-height', max_height);
  }

  /** Returns its height. */
  get height() {
    return this.#host.offsetHeight;
  }

  #watch() {
    const options = { threshold: [0, 1], trackVisibility: true, delay: VISIBLE_MS };
    this.#observer?.disconnect();
    this.#observer = new IntersectionObserver((entries) => this.#look(entries), options);
    this.#observer.observe(this.#host);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #look(entries) {
    const { isVisible } = /** @type {any} */ (entries.at(-1) ?? {});
    if (typeof isVisible === 'boolean') this.#is_seen = isVisible;
  }
}
