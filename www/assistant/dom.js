/** This module makes elements. Texts are set as texts, never as markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, unknown>} [properties] of the element; `role`, `aria-...` are attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (/^(aria-|role$|title$|for$)/.test(key)) element.setAttribute(key, String(value));
    else Object.assign(element, { [key]: value });
  }
  element.append(...children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Returns Siskin's sign: a bird, drawn by two strokes and a dot. */
export function makeLogo() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute(
    'd',
    'M3 14.5c2.2 3.6 5.6 5.5 9.2 5.5 5 0 8-3.6 8-8.2V9.6L23 8l-3.2-1C19 4.6 17.2 3 14.8 3 ' +
      '12 3 10.2 5 9.9 7.9 9.500 11.600 6.600 13.900 3 14.500Z',
  );
  path.setAttribute('fill', 'currentColor');
  svg.append(path);
  return svg;
}
