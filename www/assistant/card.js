/** This module shows the card: what can be done, and what the model proposes. */
import { ACTIONS, LANGUAGES, reasonOf } from './actions.js';
import { CARD_STYLE } from './card_style.js';
import { make, makeLogo } from './dom.js';
import { Layer } from './layer.js';

/** @import { Action } from './actions.js' */
/** @import { Edit } from './passage.js' */

/**
 * `CardEvents` are what a person does with the card. Only real clicks and keys arrive.
 *
 * @typedef {object} CardEvents
 * @property {(action: Action) => void} onAction
 * @property {(language: string) => void} onLanguage
 * @property {(instruction: string) => void} onInstruction
 * @property {() => void} onAccept
 * @property {(edit: Edit) => void} onAcceptOne
 * @property {(edit: Edit) => void} onIgnore
 * @property {() => void} onRetry
 * @property {() => void} onAlternatives
 * @property {() => void} onCopy
 * @property {() => void} onClose
 * @property {() => void} onHelp what the status offers
 */

/**
 * A `CardView` is what the card shows.
 *
 * @typedef {object} CardView
 * @property {Action | undefined} action
 * @property {string} language of translations
 * @property {string} text of the passage
 * @property {Edit[]} edits that are proposed
 * @property {string | undefined} result the text that is proposed, where it is no correction
 * @property {{text: string, kind: 'busy' | 'error' | 'good' | 'info', progress?: number,
 *   help?: string} | undefined} status
 * @property {boolean} is_done whether the model has ended
 * @property {boolean} can_accept
 * @property {boolean} [is_refused] whether there is nothing to work on
 * @property {string} [notice] what a person must know
 */

const WIDTH = 420;
const MARGIN = 8;
const PHONE_WIDTH = 480;
/** Shorter cards than this hold nothing. */
const MIN_HEIGHT = 180;
/** Where more than this part of a text changes, one version is easier to read than both. */
const MAX_CHANGED = 0.6;

/** A `Card` is open from its first view until `close`. */
export class Card {
  #events;
  #layer;
  /** @type {DOMRect | undefined} */
  #anchor;
  /** @type {Edit | undefined} */
  #open_edit;
  #makeInput;
  #card;
  /** The parts of the card, and what each was made of. */
  #slots = {
    header: slot('header'),
    notice: slot('div', 'notice'),
    chips: slot('div', 'chips'),
    ask: slot('div', 'ask'),
    body: slot('div', 'body'),
    detail: slot('div', 'detail'),
    footer: slot('footer'),
  };

  /**
   * @param {Document} document
   * @param {CardEvents} events
   * @param {(onInstruction: (text: string) => void) => HTMLElement} [makeInput] makes the field
   *   for a person's own instruction
   */
  constructor(document, events, makeInput) {
    this.#events = events;
    this.#makeInput = makeInput ?? ((onInstruction) => plainInput(onInstruction));
    this.#layer = new Layer(document, CARD_STYLE);
    this.#card = make('section', { className: 'card', role: 'dialog', 'aria-label': 'Siskin' });
    this.#card.append(...Object.values(this.#slots).map(({ place }) => place));
    this.#slots.body.place.setAttribute('aria-live', 'polite');
    this.#layer.root.append(this.#card);
    // The field keeps the focus and its selection while the card's buttons are clicked.
    this.#card.addEventListener('mousedown', (event) => {
      const target = /** @type {Element} */ (event.target);
      if (!target.closest('input, select, .text')) event.preventDefault();
    });
  }

  /** Whether an event comes from the card. @param {Event} event */
  holds(event) {
    return this.#layer.holds(event);
  }

  get is_open() {
    return this.#layer.is_open;
  }

  close() {
    this.#layer.close();
  }

  /**
   * @param {CardView} view
   * @param {DOMRect} [anchor] what it is beside
   */
  show(view, anchor) {
    this.#anchor = anchor ?? this.#anchor;
    const { action, edits, result, status, is_done, can_accept, language } = view;
    if (this.#open_edit && !edits.includes(this.#open_edit)) this.#open_edit = undefined;
    const { header, notice, chips, ask, body, detail, footer } = this.#slots;
    const edit = this.#open_edit;
    fill(header, [action], () => this.#header(view));
    fill(notice, [view.notice], () => (view.notice ? [make('p', {}, view.notice)] : []));
    fill(chips, [action], () => this.#chips(view));
    fill(ask, [action, language], () => this.#ask(view));
    const scroll = body.place.scrollTop;
    fill(body, [edits, result, edit, is_done, JSON.stringify(status)], () => this.#body(view));
    // What is being written is followed.
    body.place.scrollTop = result !== undefined && !is_done ? body.place.scrollHeight : scroll;
    fill(detail, [edit, can_accept, is_done], () => this.#detail(view));
    const proposal = edits.length > 0 || Boolean(result);
    fill(footer, [action, edits.length, proposal, status?.kind, is_done, can_accept], () =>
      this.#footer(view),
    );
    if (!this.#layer.is_open) this.#layer.open();
    this.#redraw = () => this.show(view);
    this.#place();
  }

  /** Puts the card below what it is beside, or above, or at the bottom of a narrow window. */
  #place() {
    const anchor = this.#anchor ?? new DOMRect(0, 0, 0, 0);
    const { innerWidth, innerHeight } = window;
    const { clientWidth } = document.documentElement;
    const full = Math.min(clientWidth || innerWidth, innerWidth) - 2 * MARGIN;
    const width = innerWidth < PHONE_WIDTH ? full : Math.min(WIDTH, full);
    const top_end = Math.min(Math.max(anchor.bottom, 0), innerHeight) + MARGIN;
    const below = innerHeight - top_end - MARGIN;
    const above = Math.min(Math.max(anchor.top, 0), innerHeight) - 2 * MARGIN;
    this.#layer.move({ left: MARGIN, top: MARGIN, width, max_height: innerHeight - 2 * MARGIN });
    this.#card.style.maxHeight = `${innerHeight - 2 * MARGIN}px`;
    const { height } = this;
    let top = top_end;
    if (innerWidth < PHONE_WIDTH) top = innerHeight - height - MARGIN;
    else if (below < Math.min(height, MIN_HEIGHT) && above > below)
      top = Math.max(MARGIN, anchor.top - MARGIN - height);
    top = Math.max(MARGIN, Math.min(top, innerHeight - height - MARGIN));
    const left = Math.max(MARGIN, Math.min(anchor.left, innerWidth - width - MARGIN));
    this.#layer.move({ left, top });
  }

  get height() {
    return this.#card.offsetHeight;
  }

  /**
   * @param {string} label
   * @param {() => void} act
   * @param {Record<string, unknown>} [properties]
   */
  #button(label, act, properties = {}) {
    const button = make('button', { type: 'button', className: 'button', ...properties }, label);
    button.addEventListener('click', (event) => {
      // A page may neither click by a program nor lay something over the card.
      if (event.isTrusted && this.#layer.is_seen) act();
    });
    return button;
  }

  /** @param {CardView} view */
  #header({ action, is_refused }) {
    const close = this.#button('×', this.#events.onClose, { className: 'icon' });
    close.setAttribute('aria-label', 'Close');
    const title = action ? ACTIONS[action] : is_refused ? 'Siskin' : 'What should Siskin do?';
    return [makeLogo(), make('h2', {}, title), close];
  }

  /** @param {CardView} view */
  #chips({ action, is_refused }) {
    if (is_refused) return [];
    return Object.entries(ACTIONS).map(([name, label]) => {
      const chip = this.#button(label, () => this.#events.onAction(/** @type {Action} */ (name)), {
        className: 'chip',
      });
      chip.setAttribute('aria-pressed', String(name === action));
      return chip;
    });
  }

  /** @param {CardView} view */
  #ask({ action, language }) {
    if (action === 'translate') {
      const select = make('select', { 'aria-label': 'Language' });
      for (const name of LANGUAGES) select.append(make('option', { value: name }, name));
      select.value = language;
      select.addEventListener('change', (event) => {
        if (event.isTrusted) this.#events.onLanguage(select.value);
      });
      return [select];
    }
    if (action !== 'custom') return [];
    return [this.#makeInput((text) => this.#events.onInstruction(text))];
  }

  /** @param {CardView} view */
  #body(view) {
    const { text, edits, result, status, is_done } = view;
    const changed = edits.reduce((sum, { start, end }) => sum + end - start, 0);
    const is_other = result !== undefined && (!is_done || changed > MAX_CHANGED * text.length);
    const parts = [];
    if (is_other && result !== '') parts.push(make('div', { className: 'text' }, result));
    else if (edits.length > 0)
      parts.push(make('div', { className: 'text' }, ...this.#diff(text, edits)));
    if (status) parts.push(this.#status(status));
    return parts;
  }

  /** @param {NonNullable<CardView['status']>} status */
  #status({ text, kind, progress, help }) {
    const line = make('p', { className: `status ${kind}` });
    if (kind === 'busy') line.append(make('span', { className: 'spinner' }));
    line.append(make('span', {}, text));
    const parts = make('div', { className: 'status-box' }, line);
    if (progress !== undefined) {
      const bar = make('div', {});
      bar.style.width = `${Math.round(100 * progress)}%`;
      parts.append(make('div', { className: 'bar' }, bar));
    }
    if (help) parts.append(this.#button(help, this.#events.onHelp));
    return parts;
  }

  /**
   * @param {string} text
   * @param {Edit[]} edits
   */
  #diff(text, edits) {
    /** @type {(Node | string)[]} */
    const parts = [];
    let at = 0;
    for (const edit of edits) {
      parts.push(text.slice(at, edit.start));
      const change = this.#button('', () => {
        this.#open_edit = this.#open_edit === edit ? undefined : edit;
        this.#redraw();
      });
      change.className = edit.text === '' ? 'change gone' : 'change';
      change.setAttribute('aria-expanded', String(edit === this.#open_edit));
      const before = text.slice(edit.start, edit.end);
      if (before.trim() !== '') change.append(make('del', {}, before));
      if (edit.text !== '') change.append(make('ins', {}, edit.text));
      parts.push(change);
      at = edit.end;
    }
    parts.push(text.slice(at));
    return parts;
  }

  #redraw = () => {};

  /** @param {CardView} view */
  #detail(view) {
    const edit = this.#open_edit;
    if (!edit) return [];
    const actions = make(
      'div',
      { className: 'actions' },
      this.#button('Accept this', () => this.#events.onAcceptOne(edit), {
        disabled: !view.can_accept || !view.is_done,
      }),
      this.#button('Ignore', () => this.#events.onIgnore(edit)),
    );
    return [make('p', {}, reasonOf(edit)), actions];
  }

  /** @param {CardView} view */
  #footer({ action, edits, result, is_done, can_accept, status }) {
    const has_proposal = edits.length > 0 || Boolean(result);
    const is_failed = status?.kind === 'error';
    if (!action || (!has_proposal && !is_failed && !is_done)) return [];
    const buttons = make('div', { className: 'actions' });
    const { onAccept, onRetry, onCopy, onAlternatives } = this.#events;
    if (has_proposal && can_accept) {
      const label =
        action === 'correct' && edits.length > 1 ? `Accept all ${edits.length}` : 'Accept';
      buttons.append(
        this.#button(label, onAccept, { className: 'button primary', disabled: !is_done }),
      );
    }
    if (has_proposal) buttons.append(this.#button('Copy', onCopy, { disabled: !is_done }));
    if (is_done) buttons.append(this.#button('Alternatives', onAlternatives));
    if (is_done || is_failed) buttons.append(this.#button('Retry', onRetry));
    return buttons.childElementCount > 0 ? [buttons] : [];
  }
}

/** Returns a view of nothing. @returns {CardView} */
export function emptyView() {
  return {
    action: undefined,
    language: 'English',
    text: '',
    edits: [],
    result: undefined,
    status: undefined,
    is_done: false,
    can_accept: false,
  };
}

/**
 * Returns what is said while the model works.
 *
 * @param {Action | undefined} action
 * @returns {CardView['status']}
 */
export function busyStatus(action) {
  return { kind: 'busy', text: action === 'correct' ? 'Reading your text' : 'Writing' };
}

/**
 * A `Slot` is a part of the card, and what it was made of last.
 *
 * @typedef {{place: HTMLElement, made_of: readonly unknown[] | undefined}} Slot
 */

/**
 * @param {'header' | 'div' | 'footer'} name
 * @param {string} [className]
 * @returns {Slot}
 */
function slot(name, className = '') {
  return { place: make(name, { className, hidden: true }), made_of: undefined };
}

/**
 * Fills a part of the card, unless it is as it was: a button that is being clicked stays.
 *
 * @param {Slot} slot
 * @param {readonly unknown[]} made_of
 * @param {() => Node[]} makeParts
 */
function fill(slot, made_of, makeParts) {
  if (slot.made_of && made_of.every((it, at) => it === slot.made_of?.[at])) return;
  slot.made_of = made_of;
  slot.place.replaceChildren(...makeParts());
  slot.place.hidden = slot.place.childElementCount === 0;
}

/** @param {(text: string) => void} onInstruction */
function plainInput(onInstruction) {
  const input = make('input', {
    type: 'text',
    maxLength: 500,
    placeholder: 'What should it do? Press Enter.',
    'aria-label': 'Your instruction',
  });
  input.addEventListener('keydown', (event) => {
    if (event.isTrusted && event.key === 'Enter' && input.value.trim() !== '')
      onInstruction(input.value.trim());
  });
  return input;
}
