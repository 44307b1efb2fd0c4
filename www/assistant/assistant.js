/**
 * This module is the writing assistant of a page: it reads the field at hand, asks the model, shows
 * the card and changes the field. It knows nothing of extensions, so that a page may have it too.
 */
import { RefusedError, run } from './actions.js';
import { Card, busyStatus, emptyView } from './card.js';
import { fieldOf, focusedElement, isSecret } from './fields.js';
import { docsWindowOf, keyWindowsOf } from './google_docs.js';
import { applyEdits } from './passage.js';

/** @import { Siskin } from '../lib/siskin.js' */
/** @import { Action, Wish } from './actions.js' */
/** @import { CardView } from './card.js' */
/** @import { Field } from './fields.js' */
/** @import { Edit } from './passage.js' */

/**
 * `Services` are what the assistant needs of whoever runs it.
 *
 * @typedef {object} Services
 * @property {() => Siskin} siskin the model; its calls may wait for it
 * @property {() => readonly string[]} [dictionary] words that are never corrected
 * @property {() => string | undefined} [refusal] why nothing is done on this page
 * @property {() => string | undefined} [notice] what a person must know before they ask
 * @property {(what: 'setup' | 'panel') => void} [help] opens what the card offers
 * @property {(onInstruction: (text: string) => void) => HTMLElement} [makeInput] makes the field
 *   for a person's own instruction
 */

/**
 * A `Progress` says that the model is still coming.
 *
 * @typedef {{loaded_bytes: number, total_bytes: number | null}} Progress
 */

/**
 * A `Target` is what was read, and the field that it is of.
 *
 * @typedef {object} Target
 * @property {Field | undefined} field none where a page's text was selected
 * @property {any} passage of the field
 * @property {string} text
 */

/** Codes of errors after which there is something to set up. */
const SETUP_CODES = new Set(['not_loaded', 'storage_full', 'http_status', 'network']);
const MAX_SELECTION = 4000;

/** An `Assistant` has one card, for the field that was asked for last. */
export class Assistant {
  #services;
  #document;
  /** @type {Card | undefined} */
  #card;
  /** @type {Target | undefined} */
  #target;
  /** @type {Wish | undefined} */
  #wish;
  /** @type {AbortController | undefined} */
  #job;
  #language = 'English';
  /** @type {'setup' | 'panel'} */
  #help = 'setup';
  /** @type {CardView} */
  #view = emptyView();
  #is_frame_asked = false;
  #key_windows = /** @type {Window[]} */ ([]);

  /**
   * @param {Document} document
   * @param {Services} services
   */
  constructor(document, services) {
    this.#document = document;
    this.#services = services;
  }

  get is_open() {
    return this.#card?.is_open ?? false;
  }

  /** Whether an event comes from the card. @param {Event} event */
  holds(event) {
    return this.#card?.holds(event) ?? false;
  }

  /**
   * Opens the card for the field that has the focus, or for the selected text of the page. Whatever
   * was open is given up.
   *
   * @param {Action} [action] without one, the card asks
   */
  open(action) {
    this.#begin();
    const refusal = this.#services.refusal?.() ?? this.#read();
    this.#view.is_refused = refusal !== undefined;
    if (refusal !== undefined) return this.#say('info', refusal, this.#help === 'panel');
    if (action) return this.#choose(action);
    this.#show();
  }

  /**
   * Opens the card with corrections that were found before.
   *
   * @param {{field: Field, passage: any, edits: Edit[]}} found
   */
  openWith({ field, passage, edits }) {
    this.#begin();
    this.#target = { field, passage, text: passage.text };
    this.#wish = { action: 'correct' };
    this.#view = { ...this.#view, action: 'correct', text: passage.text, edits, is_done: true };
    this.#conclude();
  }

  #begin() {
    this.close();
    this.#view = { ...emptyView(), language: this.#language };
    this.#card = new Card(this.#document, this.#events(), this.#services.makeInput);
    const window = this.#document.defaultView;
    this.#key_windows = window ? keyWindowsOf(window) : [];
    for (const it of this.#key_windows) it.addEventListener('keydown', this.#onKey, true);
    window?.addEventListener('scroll', this.#onMove, { capture: true, passive: true });
    window?.addEventListener('resize', this.#onMove);
  }

  /** Gives up what is being written, and closes the card. */
  close() {
    this.#job?.abort();
    this.#job = undefined;
    this.#card?.close();
    this.#card = undefined;
    const window = this.#document.defaultView;
    for (const it of this.#key_windows) it.removeEventListener('keydown', this.#onKey, true);
    window?.removeEventListener('scroll', this.#onMove, true);
    window?.removeEventListener('resize', this.#onMove);
  }

  /**
   * Shows how much of the model has come, or that it is there.
   *
   * @param {Progress | 'ready' | undefined} progress
   */
  setProgress(progress) {
    if (!this.#job || this.#view.is_done) return;
    if (progress === 'ready') this.#view.status = busyStatus(this.#view.action);
    else {
      const { loaded_bytes = 0, total_bytes = null } = progress ?? {};
      const part = total_bytes ? loaded_bytes / total_bytes : undefined;
      this.#view.status = { kind: 'busy', text: 'Getting the model ready', progress: part };
    }
    this.#show();
  }

  /**
   * Reads what is to be worked on.
   *
   * @returns {string | undefined} why there is nothing
   */
  #read() {
    this.#target = undefined;
    this.#help = 'setup';
    const { defaultView } = this.#document;
    if (defaultView && docsWindowOf(defaultView)) {
      this.#help = 'panel';
      return (
        'Google Docs draws its text as a picture, so Siskin cannot work in it. It works in the ' +
        'side panel: copy the text there.'
      );
    }
    const element = focusedElement(this.#document);
    if (element && isSecret(element)) return 'Siskin does not read fields for secrets.';
    const field = fieldOf(element);
    if (field) {
      const passage = field.read();
      if (passage === 'too_long') return tooLong();
      if (passage.text.trim() === '') return 'There is no text here yet.';
      this.#target = { field, passage, text: passage.text };
      return undefined;
    }
    const text = String(this.#document.getSelection() ?? '').trim();
    if (text.length > MAX_SELECTION) return tooLong();
    if (text === '') return 'Place the caret in a text, or select some.';
    this.#target = { field: undefined, passage: undefined, text };
    return undefined;
  }

  /** @returns {import('./card.js').CardEvents} */
  #events() {
    return {
      onAction: (action) => this.#choose(action),
      onLanguage: (language) => {
        this.#language = language;
        this.#start({ action: 'translate', language });
      },
      onInstruction: (instruction) => this.#start({ action: 'custom', instruction }),
      onAccept: () => void this.#accept(this.#view.edits),
      onAcceptOne: (edit) => void this.#accept([edit]),
      onIgnore: (edit) => {
        this.#view.edits = this.#view.edits.filter((it) => it !== edit);
        this.#conclude();
      },
      onRetry: () => this.#again({}),
      onAlternatives: () => {
        const { action = 'improve', attempt = 0, ...more } = this.#wish ?? {};
        const other = action === 'correct' ? 'improve' : action;
        this.#again({ ...more, action: other, attempt: attempt + 1 });
      },
      onCopy: () => void this.#copy(),
      onClose: () => this.close(),
      onHelp: () => this.#services.help?.(this.#help),
    };
  }

  /** @param {Action} action */
  #choose(action) {
    if (action !== 'custom') return this.#start({ action, language: this.#language });
    this.#job?.abort();
    this.#job = undefined;
    this.#view = { ...this.#view, ...emptyView(), language: this.#language, action };
    this.#show();
  }

  /** Reads the field anew and asks again. @param {Partial<Wish>} more */
  #again(more) {
    const { field } = this.#target ?? {};
    if (field) {
      field.element.focus({ preventScroll: true });
      const refusal = this.#read();
      if (refusal !== undefined) return this.#say('error', refusal);
    }
    this.#start({ action: 'correct', ...this.#wish, ...more });
  }

  /** @param {Wish} wish */
  #start(wish) {
    this.#job?.abort();
    const target = this.#target;
    if (!target) return;
    const job = new AbortController();
    this.#job = job;
    this.#wish = wish;
    const is_correction = wish.action === 'correct';
    this.#view = {
      ...emptyView(),
      action: wish.action,
      language: this.#language,
      text: target.text,
      result: is_correction ? undefined : '',
      status: busyStatus(wish.action),
    };
    this.#show();
    void this.#run(job, target, wish);
  }

  /**
   * @param {AbortController} job
   * @param {Target} target
   * @param {Wish} wish
   */
  async #run(job, target, wish) {
    const isCurrent = () => this.#job === job;
    try {
      const { text, edits } = await run(this.#services.siskin(), target.text, wish, {
        signal: job.signal,
        dictionary: this.#services.dictionary?.() ?? [],
        onText: (text) => {
          if (!isCurrent()) return;
          this.#view.result = text;
          this.#view.status = busyStatus(wish.action);
          this.#showSoon();
        },
        onEdits: (edits) => {
          if (!isCurrent()) return;
          this.#view.edits = edits;
          this.#view.status = busyStatus(wish.action);
          this.#showSoon();
        },
      });
      if (!isCurrent()) return;
      this.#view.edits = edits;
      this.#view.result = wish.action === 'correct' ? undefined : text;
      this.#view.is_done = true;
      this.#conclude();
    } catch (error) {
      if (isCurrent() && !job.signal.aborted) this.#fail(error);
    }
  }

  /** Says how it ended. */
  #conclude() {
    const view = this.#view;
    view.status =
      view.edits.length > 0
        ? undefined
        : view.result
          ? { kind: 'info', text: 'The model would leave it as it is.' }
          : { kind: 'good', text: 'No mistakes found.' };
    this.#show();
  }

  /** @param {unknown} error */
  #fail(error) {
    const { code, message } = /** @type {{code?: string, message?: string}} */ (error ?? {});
    const help = SETUP_CODES.has(code ?? '');
    this.#help = 'setup';
    if (error instanceof RefusedError) {
      this.#view.result = '';
      this.#view.is_done = true;
    }
    this.#say('error', message || 'Something went wrong. Try again.', help);
  }

  /** @param {readonly Edit[]} edits */
  async #accept(edits) {
    const { field, passage, text } = this.#target ?? {};
    if (!field || edits.length === 0) return;
    if (!field.is_there) return this.#say('error', 'The field is gone. Copy the text instead.');
    // The page may have made it a field for a password meanwhile.
    if (isSecret(field.element)) return this.close();
    if (!field.holds(passage))
      return this.#say('error', 'The text has changed meanwhile. Press Retry.');
    const next = await field.apply(passage, edits);
    if (!next)
      return this.#say('error', 'This field did not take the change. Copy it and paste it there.');
    const rest = this.#view.edits.filter((edit) => !edits.includes(edit));
    if (rest.length === 0) return this.close();
    const [{ start, end, text: added }] = edits;
    const shift = added.length - (end - start);
    this.#target = { field, passage: next, text: applyEdits(String(text), edits) };
    this.#view.text = this.#target.text;
    this.#view.edits = rest.map((edit) =>
      edit.start >= end ? { ...edit, start: edit.start + shift, end: edit.end + shift } : edit,
    );
    this.#show();
  }

  async #copy() {
    const { text, edits, result } = this.#view;
    const copied = result ?? applyEdits(text, edits);
    try {
      await navigator.clipboard.writeText(copied);
      this.#view.status = { kind: 'good', text: 'Copied.' };
    } catch {
      this.#view.status = { kind: 'error', text: 'This page does not allow copying.' };
    }
    this.#show();
  }

  /**
   * @param {'error' | 'info'} kind
   * @param {string} text
   * @param {boolean} [offers_help]
   */
  #say(kind, text, offers_help = false) {
    const help = this.#help === 'panel' ? 'Open the side panel' : 'Open the set-up';
    const offer = offers_help && this.#services.help ? help : undefined;
    this.#view.status = { kind, text, help: offer };
    this.#show();
  }

  #show() {
    const { field } = this.#target ?? {};
    this.#view.notice = this.#services.notice?.();
    this.#view.can_accept = Boolean(field?.is_there);
    this.#card?.show(this.#view, field?.is_there ? field.rect() : this.#selectionRect());
  }

  /** Shows at most once a frame what comes in pieces. */
  #showSoon() {
    if (this.#is_frame_asked) return;
    this.#is_frame_asked = true;
    requestAnimationFrame(() => {
      this.#is_frame_asked = false;
      if (this.is_open) this.#show();
    });
  }

  #selectionRect() {
    const selection = this.#document.getSelection();
    return selection?.rangeCount ? selection.getRangeAt(0).getBoundingClientRect() : undefined;
  }

  #onMove = () => this.#showSoon();

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    if (event.key !== 'Escape' || !event.isTrusted || event.isComposing) return;
    // The page's own dialog stays open.
    event.preventDefault();
    event.stopImmediatePropagation();
    const { field } = this.#target ?? {};
    this.close();
    field?.element.focus({ preventScroll: true });
  };
}

function tooLong() {
  return `This text is too long at once. Select up to ${MAX_SELECTION} characters of it.`;
}
