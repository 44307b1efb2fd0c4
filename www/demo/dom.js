/**
 * Returns the element with this id.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page has no #${id}.`);
  return /** @type {T} */ (element);
}

/**
 * Creates an element. Strings become text nodes: nothing is ever parsed as markup.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/**
 * @param {string} name of a symbol in the page's sprite
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Announces a text to screen readers.
 *
 * @param {string} text
 */
export function announce(text) {
  byId('announcer').textContent = text;
}

/**
 * @param {string} text
 * @param {string} label
 * @param {string} name for screen readers
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label, name) {
  const words = element('span', {}, label);
  const button = element('button', { type: 'button', className: 'quiet' }, icon('copy'), words);
  button.setAttribute('aria-label', name);
  button.addEventListener('click', async () => {
    // A page that was loaded over http has no clipboard.
    const copied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    words.textContent = copied ? 'Copied' : 'Copying is not allowed here';
    announce(words.textContent);
    setTimeout(() => (words.textContent = label), 1600);
  });
  return button;
}

/**
 * Asks before something is done that cannot be undone.
 *
 * @param {string} title
 * @param {string} text
 * @param {string} action what the button says that does it
 * @returns {Promise<boolean>}
 */
export function confirmed(title, text, action) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('confirm'));
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-action').textContent = action;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
