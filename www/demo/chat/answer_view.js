/** This module shows one answer, while it is written and afterwards. */
import { explain } from '../advice.js';
import { announce, copyButton, element, icon } from '../dom.js';
import { formatCount, formatRate } from '../format.js';
import { render } from './markdown.js';

/** @import { ChatCompletionChunk } from '../../lib/index.js' */
/** @import { Message } from './history.js' */

export class AnswerView {
  text = '';
  #reading = element('p', { className: 'reading' }, 'Reading');
  #body = element('div', { className: 'text' });
  #meta = element('div', { className: 'meta' });
  #tokens = 0;
  #first_ms = 0;
  #frame = 0;
  #onGrow;
  #onRegenerate;
  #is_brief;

  /**
   * @param {object} handlers
   * @param {() => void} handlers.onGrow called after each change of height
   * @param {() => void} handlers.onRegenerate called when the reader asks for another answer
   * @param {boolean} [handlers.isBrief] whether the figures are left out of the notes
   */
  constructor({ onGrow, onRegenerate, isBrief = false }) {
    this.#is_brief = isBrief;
    this.#onGrow = onGrow;
    this.#onRegenerate = onRegenerate;
    this.item = element(
      'li',
      { className: 'assistant' },
      element('span', { className: 'hidden' }, 'Siskin: '),
      this.#body,
      this.#meta,
    );
  }

  /** Begins an answer that is about to be written. */
  begin() {
    this.#body.before(this.#reading);
    this.item.classList.add('writing');
    this.item.setAttribute('aria-busy', 'true');
  }

  /** @param {Message} message an answer of an earlier time */
  show({ content, notes }) {
    this.text = content;
    this.#render();
    this.#end(notes ?? '');
  }

  /**
   * @param {ChatCompletionChunk} chunk
   * @returns {number} tokens per second so far, 0 where it is too early to say
   */
  add(chunk) {
    if (chunk.prefill) {
      const { done_tokens, total_tokens } = chunk.prefill;
      this.#reading.textContent =
        total_tokens > 0
          ? `Reading, ${Math.floor((100 * done_tokens) / total_tokens)}%`
          : 'Reading';
      return 0;
    }
    const content = chunk.choices[0]?.delta.content;
    if (!content) return 0;
    const now_ms = performance.now();
    this.#tokens += 1;
    this.#first_ms ||= now_ms;
    this.text += content;
    this.#reading.remove();
    // The text is rendered once a frame, because more cannot be seen.
    this.#frame ||= requestAnimationFrame(() => this.#render());
    return this.#rate(now_ms);
  }

  /**
   * @param {ChatCompletionChunk | undefined} last undefined if the answer was stopped
   * @param {string} model the model's name
   * @returns {string} notes of speed and length
   */
  finish(last, model) {
    const tokens = last?.usage?.completion_tokens ?? this.#tokens;
    const rate = last?.timings?.decode_tokens_per_second || this.#rate(performance.now());
    const notes = this.#is_brief
      ? []
      : [
          rate > 0 ? formatRate(rate) : '',
          formatCount(tokens, 'token'),
          last?.timings ? `first after ${(last.timings.prefill_ms / 1000).toFixed(1)} s` : '',
        ];
    if (!last) notes.push('stopped');
    else if (last.choices[0].finish_reason === 'length')
      notes.push('cut at the longest answer set');
    notes.push(model);
    const line = this.text
      ? notes.filter(Boolean).join(' · ')
      : last
        ? 'The model ended its answer before the first word.'
        : 'Stopped before the first word.';
    this.#end(line);
    announce(last && this.text ? this.text : this.text ? 'Stopped.' : line);
    return line;
  }

  /**
   * @param {unknown} error
   * @param {{label: string, run: () => void}} action
   */
  fail(error, action) {
    this.#end('');
    const { code, title, message } = explain(error);
    const button = element(
      'button',
      { type: 'button', className: 'plain', onclick: action.run },
      action.label,
    );
    const box = element(
      'div',
      { className: 'error' },
      element('h2', {}, title),
      element('p', {}, message),
      element('p', { className: 'muted code' }, 'Code: ', element('code', {}, code)),
      element('div', { className: 'row' }, button),
    );
    box.setAttribute('role', 'alert');
    this.item.append(box);
    this.#onGrow();
  }

  /** @param {string} notes */
  #end(notes) {
    cancelAnimationFrame(this.#frame);
    this.#render();
    this.#reading.remove();
    this.item.classList.remove('writing');
    this.item.removeAttribute('aria-busy');
    if (!notes) return;
    if (this.text) this.#meta.append(copyButton(this.text, 'Copy', 'Copy answer'));
    const again = element(
      'button',
      { type: 'button', className: 'quiet again', onclick: this.#onRegenerate },
      icon('again'),
      'Regenerate',
    );
    this.#meta.append(again, element('span', { className: 'notes' }, notes));
    this.#onGrow();
  }

  #render() {
    this.#frame = 0;
    render(this.#body, this.text, (code) => copyButton(code, 'Copy', 'Copy code'));
    this.#onGrow();
  }

  /** @param {number} now_ms */
  #rate(now_ms) {
    return this.#tokens > 2 && now_ms > this.#first_ms
      ? ((this.#tokens - 1) * 1000) / (now_ms - this.#first_ms)
      : 0;
  }
}
