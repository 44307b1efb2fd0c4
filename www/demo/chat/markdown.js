/**
 * This module shows Markdown. The library `marked` finds the structure; the nodes are created here,
 * one by one, and get their text as text. No markup is ever parsed, so that what a model writes
 * can be nothing but text, and nothing is left to sanitize.
 */
import { lexer } from '../vendor/marked.js';
import { element } from '../dom.js';

/** @import { Token, Tokens } from '../vendor/marked.js' */
/** @typedef {(code: string) => HTMLElement} MakeCopyButton */

/** A link may lead to these; all others are shown as they were written. */
const LINK_PROTOCOLS = ['http:', 'https:', 'mailto:'];

/** Models write these of HTML's character references where they mean the character. */
const CHARACTERS = /** @type {Record<string, string>} */ ({
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&nbsp;': '\u00a0',
});

/** @type {WeakMap<Element, string>} */
const sources = new WeakMap();

/**
 * Renders `text` in `container`. Blocks that have not changed keep their nodes, so that a selection
 * survives while text streams.
 *
 * @param {HTMLElement} container
 * @param {string} text
 * @param {MakeCopyButton} copyButton
 */
export function render(container, text, copyButton) {
  const tokens = lexer(text, { gfm: true, breaks: true }).filter(
    ({ type }) => type !== 'space' && type !== 'def',
  );
  tokens.forEach((token, index) => {
    const shown = container.children[index];
    const source = `${token.type}\n${token.raw}`;
    if (shown && sources.get(shown) === source) return;
    const node = block(token, copyButton);
    sources.set(node, source);
    if (shown) shown.replaceWith(node);
    else container.append(node);
  });
  while (container.children.length > tokens.length) container.lastElementChild?.remove();
}

/**
 * @param {Token} token
 * @param {MakeCopyButton} copyButton
 * @returns {HTMLElement}
 */
function block(token, copyButton) {
  switch (token.type) {
    case 'heading':
      // The page has the first level for itself.
      return element(token.depth <= 2 ? 'h2' : 'h3', {}, ...inline(token.tokens));
    case 'code':
      return codeBlock(/** @type {Tokens.Code} */ (token), copyButton);
    case 'list':
      return list(/** @type {Tokens.List} */ (token), copyButton);
    case 'blockquote':
      return element('blockquote', {}, ...blocks(token.tokens, copyButton));
    case 'table':
      return table(/** @type {Tokens.Table} */ (token));
    case 'hr':
      return element('hr');
    case 'paragraph':
      return element('p', {}, ...inline(token.tokens));
    case 'html':
      return element('p', {}, token.raw.trim());
    default:
      return element('p', {}, ...inline([token]));
  }
}

/**
 * @param {Token[] | undefined} tokens
 * @param {MakeCopyButton} copyButton
 * @returns {(Node | string)[]}
 */
function blocks(tokens = [], copyButton) {
  return tokens
    .filter(({ type }) => type !== 'space' && type !== 'def')
    .map((token) => block(token, copyButton));
}

/**
 * @param {Tokens.Code} token
 * @param {MakeCopyButton} copyButton
 */
function codeBlock({ text, lang }, copyButton) {
  const name = lang?.match(/^[\w+#.-]+/)?.[0] ?? 'code';
  const pre = element('pre', { tabIndex: 0 }, element('code', {}, text));
  pre.setAttribute('role', 'region');
  pre.setAttribute('aria-label', `Code, ${name}`);
  return element(
    'figure',
    {},
    element('figcaption', {}, element('span', {}, name), copyButton(text)),
    pre,
  );
}

/**
 * @param {Tokens.List} token
 * @param {MakeCopyButton} copyButton
 */
function list({ ordered, start, items }, copyButton) {
  const entries = items.map((item) => {
    const children = item.tokens.flatMap((token) =>
      // The text of a tight list's item is no paragraph.
      token.type === 'text' || token.type === 'checkbox'
        ? inline([token])
        : blocks([token], copyButton),
    );
    return element('li', {}, ...children);
  });
  return ordered
    ? element('ol', { start: Number(start) || 1 }, ...entries)
    : element('ul', {}, ...entries);
}

/** @param {Tokens.Table} token */
function table({ header, rows }) {
  const cell = (
    /** @type {'th' | 'td'} */ tag,
    /** @type {Tokens.TableCell} */ { tokens, align },
  ) => element(tag, { className: align ?? '' }, ...inline(tokens));
  const head = element('tr', {}, ...header.map((column) => cell('th', column)));
  const body = rows.map((row) => element('tr', {}, ...row.map((column) => cell('td', column))));
  const wide = element(
    'div',
    { className: 'table', tabIndex: 0 },
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)),
  );
  wide.setAttribute('role', 'region');
  wide.setAttribute('aria-label', 'Table');
  return wide;
}

/**
 * @param {Token[] | undefined} tokens
 * @returns {(Node | string)[]}
 */
function inline(tokens = []) {
  return tokens.flatMap((token) => {
    switch (token.type) {
      case 'strong':
        return element('strong', {}, ...inline(token.tokens));
      case 'em':
        return element('em', {}, ...inline(token.tokens));
      case 'del':
        return element('del', {}, ...inline(token.tokens));
      case 'codespan':
        return element('code', {}, token.text);
      case 'br':
        return element('br');
      case 'link':
        return link(token.href, inline(token.tokens)) ?? token.raw;
      case 'image':
        // A picture would be a request: its address is a link instead.
        return link(token.href, [token.text || token.href]) ?? token.raw;
      case 'checkbox':
        return token.checked ? '☑ ' : '☐ ';
      case 'escape':
        return token.text;
      case 'text':
        return token.tokens ? inline(token.tokens) : characters(token.text);
      default:
        return token.raw;
    }
  });
}

/** @param {string} text */
function characters(text) {
  return text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (name) => CHARACTERS[name]);
}

/**
 * @param {string} href
 * @param {(Node | string)[]} children
 * @returns {HTMLAnchorElement | undefined} undefined where the address is none that a link may have
 */
function link(href, children) {
  let url;
  try {
    url = new URL(href);
  } catch {
    return undefined;
  }
  if (!LINK_PROTOCOLS.includes(url.protocol)) return undefined;
  return element(
    'a',
    { href: url.href, target: '_blank', rel: 'noopener noreferrer', title: url.href },
    ...children,
  );
}
