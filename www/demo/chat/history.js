/**
 * This module keeps conversations on this device, in IndexedDB. Where the browser refuses that (a
 * private window, perhaps), they last until the page is closed.
 */

/**
 * @typedef {object} Message
 * @property {'user' | 'assistant'} role
 * @property {string} content
 * @property {string} [model] the name of the model that answered
 * @property {string} [notes] speed and length of the answer, for people
 */

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {number} updated_ms since 1970
 * @property {Message[]} messages
 */

const DATABASE = 'siskin-demo';
const STORE = 'conversations';
/** Titles are the beginning of the first message. */
const TITLE_CHARACTERS = 60;

/** @returns {Conversation} an empty one, which is kept once it has a message */
export function newConversation() {
  // crypto.randomUUID is missing where a page was loaded over http.
  const random = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36));
  return {
    id: `${Date.now().toString(36)}-${random.join('')}`,
    updated_ms: Date.now(),
    messages: [],
  };
}

/**
 * @param {Conversation} conversation
 * @returns {string}
 */
export function titleOf({ messages }) {
  const words = (messages[0]?.content ?? '').trim().replace(/\s+/g, ' ') || 'New chat';
  const characters = [...words];
  return characters.length <= TITLE_CHARACTERS
    ? words
    : `${characters
        .slice(0, TITLE_CHARACTERS - 1)
        .join('')
        .trimEnd()}…`;
}

/**
 * Returns what the model is sent of a conversation: a message whose answer failed or was stopped
 * before its first word is left out, unless it is the last one.
 *
 * @param {Message[]} messages
 * @returns {{role: 'user' | 'assistant', content: string}[]}
 */
export function requestMessages(messages) {
  return messages
    .filter(({ content }) => content !== '')
    .filter(({ role }, index, all) => role !== 'user' || all[index + 1]?.role !== 'user')
    .map(({ role, content }) => ({ role, content }));
}

export class History {
  /** @type {Promise<IDBDatabase | undefined> | undefined} */
  #database;
  /** @type {Map<string, Conversation>} */
  #unkept = new Map();

  /** @returns {Promise<Conversation[]>} the last changed first */
  async list() {
    const kept = await this.#run('readonly', (store) => store.getAll());
    return [...(kept ?? this.#unkept.values())].sort((a, b) => b.updated_ms - a.updated_ms);
  }

  /**
   * @param {string} id
   * @returns {Promise<Conversation | undefined>}
   */
  async get(id) {
    return (await this.list()).find((conversation) => conversation.id === id);
  }

  /** @param {Conversation} conversation */
  async put(conversation) {
    const kept = await this.#run('readwrite', (store) => store.put(conversation));
    if (kept === undefined) this.#unkept.set(conversation.id, structuredCopy(conversation));
  }

  /** @param {string} id */
  async remove(id) {
    this.#unkept.delete(id);
    await this.#run('readwrite', (store) => store.delete(id));
  }

  async clear() {
    this.#unkept.clear();
    await this.#run('readwrite', (store) => store.clear());
  }

  /** Returns whether conversations survive the page. */
  async isKept() {
    return (await this.#open()) !== undefined;
  }

  /**
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest<T>} request
   * @returns {Promise<T | undefined>} undefined where nothing can be kept
   */
  async #run(mode, request) {
    const database = await this.#open();
    if (!database) return undefined;
    try {
      return await settled(request(database.transaction(STORE, mode).objectStore(STORE)));
    } catch {
      return undefined;
    }
  }

  /** @returns {Promise<IDBDatabase | undefined>} */
  #open() {
    this.#database ??= (async () => {
      try {
        const request = indexedDB.open(DATABASE, 1);
        request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
        const database = await settled(request);
        // A later version of the page may change the database while this one is open.
        database.onversionchange = () => database.close();
        return database;
      } catch {
        return undefined;
      }
    })();
    return this.#database;
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {Conversation} conversation
 * @returns {Conversation}
 */
function structuredCopy(conversation) {
  return JSON.parse(JSON.stringify(conversation));
}
