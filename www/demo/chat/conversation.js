/** This module shows the messages of a conversation on the page. */
import { byId } from '../dom.js';
import { AnswerView } from './answer_view.js';
import { questionView } from './question_view.js';

/** @import { Message } from './history.js' */

export class ConversationView {
  #scroller = byId('scroller');
  #list = byId('messages');
  #jump = byId('jump');
  /** Tells whether the view scrolls with new text; it stops when the reader scrolls up. */
  #follow = true;
  #handlers;

  /**
   * @param {object} handlers
   * @param {(index: number, text: string) => void} handlers.onEdit called with a message's place
   *   among those shown and its new text
   * @param {() => void} handlers.onRegenerate
   * @param {boolean} [handlers.isBrief] whether answers have no figures of speed and length
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#scroller.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#follow = scrollHeight - scrollTop - clientHeight < 48;
      this.#jump.hidden = this.#follow;
    });
    this.#jump.addEventListener('click', () => {
      this.#follow = true;
      this.scroll();
      byId('prompt').focus();
    });
  }

  /** @param {Message[]} messages shown in the place of all others */
  show(messages) {
    this.#list.replaceChildren();
    byId('empty').hidden = messages.length > 0;
    messages.forEach((message, index) => {
      if (message.role === 'user') this.#addQuestion(message.content, index);
      else this.#addAnswer().show(message);
    });
    this.#jump.hidden = true;
    this.#follow = true;
    this.scroll();
  }

  /**
   * Adds an answer that is about to be written, after the last question.
   *
   * @returns {AnswerView}
   */
  addAnswer() {
    const view = this.#addAnswer();
    view.begin();
    this.#follow = true;
    this.scroll();
    return view;
  }

  #addAnswer() {
    const view = new AnswerView({
      onGrow: () => this.scroll(),
      onRegenerate: () => this.#handlers.onRegenerate(),
      isBrief: this.#handlers.isBrief,
    });
    this.#list.append(view.item);
    return view;
  }

  /**
   * @param {string} text
   * @param {number} index
   */
  #addQuestion(text, index) {
    this.#list.append(questionView(text, (changed) => this.#handlers.onEdit(index, changed)));
  }

  /** Scrolls to the end, unless the reader has scrolled up. */
  scroll() {
    if (this.#follow) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}
