/**
 * This module is the panel with the conversations of this device. It stands beside the chat on wide
 * screens and lies over it on narrow ones.
 */
import { announce, byId, confirmed, element, icon } from '../dom.js';
import { download, fileName, toJson, toMarkdown } from './export.js';
import { titleOf } from './history.js';
import { readItem, writeItem } from '../storage.js';

/** @import { Chat } from './chat.js' */
/** @import { Conversation, History } from './history.js' */

const KEY = 'siskin.history';

export class HistoryPanel {
  #panel = byId('history');
  #button = byId('history-button');
  #list = byId('conversations');
  #wide = matchMedia('(min-width: 60rem)');
  #chat;
  #history;
  /** Tells what is shown, so that nothing moves where nothing has changed. */
  #shown = '';

  /**
   * @param {Chat} chat
   * @param {History} history
   * @param {() => void} showChat called where the panel is asked for beside another task
   */
  constructor(chat, history, showChat) {
    this.#chat = chat;
    this.#history = history;
    this.#button.addEventListener('click', () => {
      const is_elsewhere = byId('chat').hidden === true;
      if (is_elsewhere) showChat();
      this.#setOpen(is_elsewhere || this.#panel.hidden === true);
      if (this.#wide.matches) writeItem('local', KEY, this.#panel.hidden ? 'closed' : null);
      else if (!this.#panel.hidden) byId('history-close').focus();
    });
    for (const id of ['history-close', 'history-shade'])
      byId(id).addEventListener('click', () => this.#close());
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#wide.matches) return;
      event.stopPropagation();
      this.#close();
    });
    byId('history-clear').addEventListener('click', () => void this.#clear());
    byId('export-markdown').addEventListener('click', () => this.#export('md'));
    byId('export-json').addEventListener('click', () => this.#export('json'));
    const fit = () => this.#setOpen(this.#wide.matches && readItem('local', KEY) !== 'closed');
    this.#wide.addEventListener('change', fit);
    fit();
    void history.isKept().then((is_kept) => {
      byId('history-note').textContent = is_kept
        ? 'Kept on this device alone.'
        : 'This browser keeps nothing here: chats last until the page is closed.';
    });
  }

  /** @param {boolean} is_open */
  #setOpen(is_open) {
    this.#panel.hidden = !is_open;
    this.#button.setAttribute('aria-expanded', String(is_open));
    const covers = is_open && !this.#wide.matches;
    byId('history-shade').hidden = !covers;
    // Behind the panel nothing can be reached by keyboard.
    byId('chat-main').inert = covers;
  }

  #close() {
    this.#setOpen(false);
    this.#button.focus();
  }

  async render() {
    const { conversation } = this.#chat;
    const kept = await this.#history.list();
    const shown = JSON.stringify([conversation.id, kept.map((kept) => [kept.id, titleOf(kept)])]);
    const is_empty = conversation.messages.length === 0;
    for (const id of ['export-markdown', 'export-json'])
      /** @type {HTMLButtonElement} */ (byId(id)).disabled = is_empty;
    byId('history-clear').hidden = kept.length === 0;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#list.replaceChildren(
      ...kept.map((entry) => this.#entry(entry, entry.id === conversation.id)),
    );
    byId('history-empty').hidden = kept.length > 0;
  }

  /**
   * @param {Conversation} conversation
   * @param {boolean} is_current
   */
  #entry(conversation, is_current) {
    const title = titleOf(conversation);
    const open = element('button', { type: 'button', className: 'quiet title', title }, title);
    if (is_current) open.setAttribute('aria-current', 'true');
    open.addEventListener('click', async () => {
      await this.#chat.open(conversation.id);
      if (!this.#wide.matches) this.#setOpen(false);
      this.#chat.focus();
    });
    const remove = element('button', { type: 'button', className: 'quiet square' }, icon('delete'));
    remove.setAttribute('aria-label', `Delete chat: ${title}`);
    remove.title = 'Delete chat';
    remove.addEventListener('click', async () => {
      if (conversation.id === this.#chat.conversation.id) await this.#chat.startOver();
      await this.#history.remove(conversation.id);
      await this.render();
      announce('The chat was deleted.');
      (this.#list.querySelector('button') ?? this.#button).focus();
    });
    return element('li', {}, open, remove);
  }

  async #clear() {
    const { length } = await this.#history.list();
    const sure = await confirmed(
      length === 1 ? 'Delete this chat?' : `Delete all ${length} chats?`,
      'They are on this device alone, so that nothing brings them back.',
      'Delete',
    );
    if (!sure) return;
    await this.#chat.startOver();
    await this.#history.clear();
    await this.render();
    announce('All chats were deleted.');
    this.#button.focus();
  }

  /** @param {'md' | 'json'} extension */
  #export(extension) {
    const { conversation } = this.#chat;
    const [text, type] =
      extension === 'md'
        ? [toMarkdown(conversation), 'text/markdown']
        : [toJson(conversation), 'application/json'];
    download(fileName(conversation, extension), text, type);
    announce('The chat was saved as a file.');
  }
}
