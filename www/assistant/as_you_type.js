/**
 * This module checks the sentence at hand while a person types, and shows what it found: as
 * underlines where the text is in the document, and as a number for whoever shows one.
 */
import { sentences } from '../lib/writing/segments.js';
import { detectLanguage } from '../lib/writing/language.js';
import { run } from './actions.js';
import { fieldOf, focusedElement } from './fields.js';
import { RichField } from './rich_field.js';
import { Underlines } from './underlines.js';

/** @import { Siskin } from '../lib/siskin.js' */
/** @import { Field } from './fields.js' */
/** @import { Edit } from './passage.js' */

/**
 * `TypingServices` are what `AsYouType` needs of whoever runs it.
 *
 * @typedef {object} TypingServices
 * @property {() => Siskin} siskin
 * @property {() => readonly string[]} dictionary words that are right
 * @property {() => Promise<boolean>} mayCheck whether the model may be asked now
 * @property {(text: string) => Promise<boolean>} isKnownLanguage
 * @property {(count: number) => void} onCount is told how many corrections the field has
 */

/**
 * A `Found` is what is known of the field at hand.
 *
 * @typedef {{field: Field, passage: any, edits: Edit[]}} Found
 */

/** A person who stops for this long reads what they wrote. */
const PAUSE_MS = 1000;
/** What was found in this many sentences is remembered. */
const MAX_SENTENCES = 200;

/** An `AsYouType` listens until `end`. */
export class AsYouType {
  #document;
  #services;
  #underlines;
  /** What was found, by sentence. A sentence that was checked is not asked about again. */
  #known = /** @type {Map<string, Edit[]>} */ (new Map());
  /** @type {AbortController | undefined} */
  #job;
  #timer = 0;

  /**
   * @param {Document} document
   * @param {TypingServices} services
   */
  constructor(document, services) {
    this.#document = document;
    this.#services = services;
    this.#underlines = new Underlines();
    document.addEventListener('input', this.#onInput, true);
    document.addEventListener('focusin', this.#onFocus, true);
  }

  end() {
    this.#document.removeEventListener('input', this.#onInput, true);
    this.#document.removeEventListener('focusin', this.#onFocus, true);
    this.#stop();
    this.#underlines.clear();
  }

  /**
   * Returns the corrections that are known of the field at hand.
   *
   * @returns {Found | undefined} none where there is nothing to correct
   */
  found() {
    const place = this.#read();
    if (!place) return undefined;
    const { field, passage, caret } = place;
    const edits = sentences(passage.text).flatMap(({ start, end, closed }) =>
      (this.#known.get(passage.text.slice(start, end)) ?? [])
        .map((edit) => ({ ...edit, start: edit.start + start, end: edit.end + start }))
        // The word at the caret is still being written.
        .filter((edit) => closed || caret < edit.start || caret > edit.end),
    );
    return edits.length > 0 ? { field, passage, edits } : undefined;
  }

  #onInput = (/** @type {Event} */ event) => {
    // A page cannot keep the model busy by a program.
    if (!event.isTrusted) return;
    this.#stop();
    this.#timer = setTimeout(() => void this.#check(), PAUSE_MS);
  };

  #onFocus = () => {
    this.#stop();
    this.#show();
  };

  #stop() {
    clearTimeout(this.#timer);
    this.#job?.abort();
    this.#job = undefined;
  }

  /** Reads the field that has the focus, unless a part of it is selected. */
  #read() {
    const field = fieldOf(focusedElement(this.#document));
    const passage = field?.read();
    if (!field || !passage || passage === 'too_long' || passage.is_selection) return undefined;
    return { field, passage, caret: field.caretIn(/** @type {any} */ (passage)) };
  }

  /** Asks about the sentence at the caret and the one before it. */
  async #check() {
    const job = new AbortController();
    this.#job = job;
    const place = this.#read();
    if (!place) return;
    const { text } = place.passage;
    const asked = sentences(text)
      .filter(({ start }) => start <= place.caret)
      .slice(-2)
      .map(({ start, end }) => text.slice(start, end))
      .filter((sentence) => !this.#known.has(sentence) && detectLanguage(sentence) !== undefined);
    try {
      const may_ask =
        asked.length === 0 ||
        ((await this.#services.mayCheck()) && (await this.#services.isKnownLanguage(text)));
      for (const sentence of may_ask ? asked : []) {
        const { edits } = await run(
          this.#services.siskin(),
          sentence,
          { action: 'correct' },
          {
            signal: job.signal,
            dictionary: this.#services.dictionary(),
            onText: () => {},
            onEdits: () => {},
          },
        );
        this.#remember(sentence, edits);
      }
    } catch {
      // Nobody asked for this: what does not work is not reported.
    }
    if (this.#job === job && !job.signal.aborted) this.#show();
  }

  /**
   * @param {string} sentence
   * @param {Edit[]} edits
   */
  #remember(sentence, edits) {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_SENTENCES) this.#known.delete(oldest);
    this.#known.set(sentence, edits);
  }

  #show() {
    const { field, passage, edits } = this.found() ?? {};
    this.#services.onCount(edits?.length ?? 0);
    if (field instanceof RichField && edits)
      this.#underlines.show(field.element, field.rangesOf(passage, edits));
    else this.#underlines.clear();
  }
}
