// This module reads the examples of the docs: the fenced blocks of the READMEs and of docs/guide.
//
// A block of `js` is run, unless its info names a file, as in `js file=vite.config.js`: then its
// syntax is checked, and of `file=page.js` (what needs a server or a service worker of the site) the
// types as well.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Returns the Markdown pages for users, by their paths below the repository. */
export function docPages() {
  const guide = readdirSync(join(ROOT, 'docs/guide')).sort();
  return ['README.md', 'pkg/README.md', ...guide.map((name) => `docs/guide/${name}`)];
}

/** Returns the text of a page. */
export function readPage(page) {
  return readFileSync(join(ROOT, page), 'utf8');
}

/**
 * Returns the fenced blocks of all pages, or of one.
 *
 * @returns {{page: string, line: number, language: string, file: string | undefined,
 *   code: string, name: string}[]}
 */
export function docBlocks(pages = docPages()) {
  return pages.flatMap((page) => {
    const text = readPage(page);
    return [...text.matchAll(/^```(\S+)(.*)\n([^]*?)^```$/gm)].map(
      ({ 1: language, 2: info, 3: code, index }) => {
        const line = text.slice(0, index).split('\n').length;
        const file = /\bfile=(\S+)/.exec(info)?.[1];
        return { page, line, language, file, code, name: `${page}:${line}` };
      },
    );
  });
}
