/** This module shows the messages on the page. */
import { explain } from './advice.js';
import { announce, byId, copyButton, element } from './dom.js';
import { formatCount, formatRate } from './format.js';
import { render } from './markdown.js';

/** @import { ChatCompletionChunk } from '../lib/index.js' */

export class Conversation {
  #scroller = byId('scroller');
  #list = byId('messages');
  #jump = byId('jump');
  /** Tells whether the view scrolls with new text; it stops when the reader scrolls up. */
  #follow = true;

  constructor() {
    this.#scroller.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#follow = scrollHeight - scrollTop - clientHeight < 48;
      this.#jump.hidden = this.#follow;
    });
    this.#jump.addEventListener('click', () => {
      this.#follow = true;
      this.scroll();
    });
  }

  clear() {
    this.#list.replaceChildren();
    byId('empty').hidden = false;
    this.#jump.hidden = true;
    this.#follow = true;
  }

  /** @param {string} text */
  addUser(text) {
    byId('empty').hidden = true;
    this.#list.append(
      element('li', { className: 'user' }, element('span', { className: 'hidden' }, 'You: '), text),
    );
    this.#follow = true;
    this.scroll();
  }

  /** @returns {AnswerView} */
  addAnswer() {
    const view = new AnswerView(() => this.scroll());
    this.#list.append(view.item);
    this.scroll();
    return view;
  }

  /** Scrolls to the end, unless the reader has scrolled up. */
  scroll() {
    if (this.#follow) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

/** An `AnswerView` shows one answer, while it is written and afterwards. */
export class AnswerView {
  text = '';
  #reading = element('p', { className: 'reading' }, 'Reading');
  #body = element('div', { className: 'text' });
  #meta = element('div', { className: 'meta' });
  #tokens = 0;
  #first_ms = 0;
  #frame = 0;
  #onGrow;

  /** @param {() => void} onGrow called after each change of height */
  constructor(onGrow) {
    this.#onGrow = onGrow;
    this.item = element(
      'li',
      { className: 'assistant writing' },
      element('span', { className: 'hidden' }, 'Siskin: '),
      this.#reading,
      this.#body,
      this.#meta,
    );
    this.item.setAttribute('aria-busy', 'true');
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
    const now_ms = performance.now();
    this.#tokens += 1;
    this.#first_ms ||= now_ms;
    this.text += chunk.choices[0].delta.content;
    if (this.text) this.#reading.remove();
    // The text is rendered once a frame, because more cannot be seen.
    this.#frame ||= requestAnimationFrame(() => this.#render());
    return this.#rate(now_ms);
  }

  /** @param {ChatCompletionChunk | undefined} last undefined if the answer was stopped */
  finish(last) {
    const tokens = last?.usage?.completion_tokens ?? this.#tokens;
    const rate = last?.timings?.decode_tokens_per_second || this.#rate(performance.now());
    const notes = [rate > 0 ? formatRate(rate) : '', formatCount(tokens, 'token')];
    if (last?.timings) notes.push(`first after ${(last.timings.prefill_ms / 1000).toFixed(1)} s`);
    if (!last) notes.push('stopped');
    else if (last.choices[0].finish_reason === 'length')
      notes.push('cut at the longest answer set');
    this.#end();
    if (this.text) this.#meta.append(copyButton(this.text, 'Copy', 'Copy answer'));
    this.#meta.append(element('span', { className: 'notes' }, notes.filter(Boolean).join(' · ')));
    this.#onGrow();
    announce(last ? this.text : 'Stopped.');
  }

  /**
   * @param {unknown} error
   * @param {{label: string, run: () => void}} action
   */
  fail(error, action) {
    this.#end();
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

  #end() {
    cancelAnimationFrame(this.#frame);
    this.#render();
    this.#reading.remove();
    this.item.classList.remove('writing');
    this.item.removeAttribute('aria-busy');
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
