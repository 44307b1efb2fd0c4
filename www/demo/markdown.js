/**
 * This module renders the part of Markdown that small models write: paragraphs, headings, lists,
 * code fences, inline code and bold. It creates nodes and sets their text: what the model writes
 * never becomes markup.
 */
import { element } from './dom.js';

/**
 * @typedef {object} Block
 * @property {'paragraph' | 'heading' | 'bullets' | 'numbers' | 'code'} kind
 * @property {string} source
 * @property {string[]} lines
 * @property {string} info the language that a code fence names
 * @property {number} start a numbered list's first number
 */

/** @type {WeakMap<Element, string>} */
const sources = new WeakMap();

/**
 * Renders `text` in `container`. Blocks that have not changed keep their nodes, so that a selection
 * survives while text streams.
 *
 * @param {HTMLElement} container
 * @param {string} text
 * @param {(code: string) => HTMLElement} copyButton
 */
export function render(container, text, copyButton) {
  const blocks = parse(text);
  blocks.forEach((block, index) => {
    const shown = container.children[index];
    if (shown && sources.get(shown) === block.source) return;
    const node = build(block, copyButton);
    sources.set(node, block.source);
    if (shown) shown.replaceWith(node);
    else container.append(node);
  });
  while (container.children.length > blocks.length) container.lastElementChild?.remove();
}

/**
 * @param {string} text
 * @returns {Block[]}
 */
function parse(text) {
  /** @type {Block[]} */
  const blocks = [];
  /** @type {Block | undefined} */
  let open;
  let fence = '';
  const begin = (
    /** @type {Block['kind']} */ kind,
    /** @type {string} */ line,
    { content = line, info = '', start = 1 } = {},
  ) => {
    open = {
      kind,
      source: `${kind}\n${line}`,
      lines: kind === 'code' ? [] : [content],
      info,
      start,
    };
    blocks.push(open);
  };
  for (const line of text.split('\n')) {
    const mark = line.match(/^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/);
    if (fence && open) {
      open.source += `\n${line}`;
      if (mark && mark[1].startsWith(fence)) {
        fence = '';
        open = undefined;
      } else {
        open.lines.push(line);
      }
      continue;
    }
    const heading = line.match(/^#{1,6}\s+(.+?)\s*#*$/);
    const bullet = line.match(/^\s*[-*+]\s+(.*)$/);
    const number = line.match(/^\s*(\d{1,6})[.)]\s+(.*)$/);
    if (mark) {
      begin('code', line, { info: mark[2] });
      fence = mark[1];
    } else if (heading) {
      begin('heading', line, { content: heading[1] });
      open = undefined;
    } else if (bullet || number) {
      const kind = bullet ? 'bullets' : 'numbers';
      const content = bullet ? bullet[1] : (number?.[2] ?? '');
      if (open?.kind === kind) {
        open.lines.push(content);
        open.source += `\n${line}`;
      } else {
        begin(kind, line, { content, start: Number(number?.[1] ?? 1) });
      }
    } else if (line.trim() === '') {
      // A list continues after an empty line; a paragraph does not.
      if (open?.kind === 'paragraph') open = undefined;
    } else if (open && (open.kind === 'paragraph' || /^\s{2,}/.test(line))) {
      open.lines[open.lines.length - 1] += `\n${open.kind === 'paragraph' ? line : line.trim()}`;
      open.source += `\n${line}`;
    } else {
      begin('paragraph', line);
    }
  }
  return blocks;
}

/**
 * @param {Block} block
 * @param {(code: string) => HTMLElement} copyButton
 * @returns {HTMLElement}
 */
function build(block, copyButton) {
  if (block.kind === 'paragraph') return element('p', {}, ...inline(block.lines.join('\n')));
  if (block.kind === 'heading') return element('h3', {}, ...inline(block.lines[0]));
  if (block.kind === 'code') {
    const code = block.lines.join('\n');
    const caption = element(
      'figcaption',
      {},
      element('span', {}, block.info || 'code'),
      copyButton(code),
    );
    return element(
      'figure',
      {},
      caption,
      element('pre', { tabIndex: 0 }, element('code', {}, code)),
    );
  }
  const items = block.lines.map((line) => element('li', {}, ...inline(line)));
  return block.kind === 'bullets'
    ? element('ul', {}, ...items)
    : element('ol', { start: block.start }, ...items);
}

/**
 * @param {string} text
 * @returns {(Node | string)[]}
 */
function inline(text) {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/).map((part) => {
    if (part.length > 2 && part.startsWith('`') && part.endsWith('`'))
      return element('code', {}, part.slice(1, -1));
    if (part.length > 4 && part.startsWith('**') && part.endsWith('**'))
      return element('strong', {}, part.slice(2, -2));
    return part;
  });
}
