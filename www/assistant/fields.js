/** This module finds the field that has the focus, and knows which fields are never read. */
import { RichField } from './rich_field.js';
import { TextField } from './text_field.js';

/** @typedef {TextField | RichField} Field */

/** Inputs of these types hold text that a person writes for others. */
const TEXT_TYPES = new Set(['text', 'search']);
/** Values of `autocomplete` that name secrets, cards and codes. */
const SECRET_AUTOCOMPLETE = /(^|\s)(cc-\S+|one-time-code|current-password|new-password|webauthn)/i;
/** What fields for secrets are called, where `autocomplete` does not tell. */
const SECRET_NAMES = new RegExp(
  [
    'passw|passcode|passphrase|secret|credit.?card|card.?(num|no\\b|holder|code)|cc.?(num|exp|csc)',
    '(one.?time|verification|security|auth(entication)?|sms|login).?(code|pin)|expir(y|ation)',
    'social.?security|(routing|account).?number|(api|access|private).?(key|token)|seed.?phrase',
    '(^|[^a-z])(pass|pwd|pin|otp|totp|2fa|mfa|cvv|cvc|csc|iban|ssn)\\d?([^a-z]|$)',
  ].join('|'),
  'i',
);
/** These attributes say what a field is for. */
const NAMING = ['name', 'id', 'placeholder', 'aria-label', 'data-testid'];
/** Longer names say nothing more. */
const MAX_NAME_CHARS = 200;

/**
 * Returns the element that has the focus, within open shadow roots too.
 *
 * @param {Document} document
 * @returns {Element | null}
 */
export function focusedElement(document) {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

/**
 * Returns the field that an element is or belongs to, or undefined where nothing may be read.
 *
 * @param {Element | null} element
 * @returns {Field | undefined}
 */
export function fieldOf(element) {
  if (!element || isSecret(element)) return undefined;
  if (isTextArea(element) || isInput(element))
    return element.readOnly || element.disabled ? undefined : new TextField(element);
  const host = editingHost(element);
  return host && !isSecret(host) ? new RichField(host) : undefined;
}

/**
 * Returns whether a field is for a password, a card or a code: it is never read.
 *
 * @param {Element} element
 */
export function isSecret(element) {
  if (isInput(element, true) && !TEXT_TYPES.has(element.type)) return true;
  if (!isTextArea(element) && !isInput(element) && !isEditable(element)) return false;
  if (SECRET_AUTOCOMPLETE.test(element.getAttribute('autocomplete') ?? '')) return true;
  if (NAMING.some((name) => namesSecret(element.getAttribute(name)))) return true;
  if (isInput(element))
    for (const label of element.labels ?? []) if (namesSecret(label.textContent)) return true;
  // Pages mask texts by this property too.
  const style = getComputedStyle(element);
  const masked = style.getPropertyValue('-webkit-text-security');
  return masked !== '' && masked !== 'none';
}

/**
 * Returns whether what a field is called says that it is for a password, a card or a code.
 *
 * @param {string | null} name
 */
export function namesSecret(name) {
  const words = (name ?? '').slice(0, MAX_NAME_CHARS).replace(/(?<=[a-z])(?=[A-Z])/g, '-');
  return SECRET_NAMES.test(words);
}

/**
 * @param {Element} element
 * @returns {element is HTMLTextAreaElement}
 */
function isTextArea(element) {
  return element.localName === 'textarea';
}

/**
 * @param {Element} element
 * @param {boolean} [of_any_type]
 * @returns {element is HTMLInputElement}
 */
function isInput(element, of_any_type = false) {
  if (element.localName !== 'input') return false;
  return of_any_type || TEXT_TYPES.has(/** @type {HTMLInputElement} */ (element).type);
}

/** @param {Element} element */
function isEditable(element) {
  return /** @type {HTMLElement} */ (element).isContentEditable === true;
}

/**
 * Returns the outermost editable element that an element is in.
 *
 * @param {Element} element
 * @returns {HTMLElement | undefined}
 */
function editingHost(element) {
  if (!isEditable(element)) return undefined;
  let host = element;
  while (host.parentElement && isEditable(host.parentElement)) host = host.parentElement;
  // A document in design mode is no field.
  return host === element.ownerDocument.documentElement
    ? element.ownerDocument.body
    : /** @type {HTMLElement} */ (host);
}
