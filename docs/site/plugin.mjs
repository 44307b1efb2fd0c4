// This plugin makes TypeDoc's pages fit a strict Content-Security-Policy, without inline scripts
// and styles, and gives each page one: the site asks no other host for anything.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PageEvent, RendererEvent } from 'typedoc';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'";
const INLINE_SCRIPT = /<body><script>[^]*?<\/script>/;
// TypeDoc hides members that a visitor filters out by an inline style; the site has no filters.
const INLINE_STYLE = 'document.head.appendChild(document.createElement("style"))';

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.renderer.on(PageEvent.END, (page) => {
    if (!page.contents?.startsWith('<!DOCTYPE html>')) return;
    const base = /data-base="([^"]*)"/.exec(page.contents)?.[1];
    if (base === undefined) throw unknownPages();
    const script = `<body><script src="${base}assets/start.js"></script>`;
    const policy = `<head><meta http-equiv="Content-Security-Policy" content="${POLICY}"/>`;
    page.contents = replaced(page.contents, INLINE_SCRIPT, script)
      .replace('<head>', policy)
      .replaceAll('href="demo:"', `href="${base}../"`);
  });
  app.renderer.on(RendererEvent.END, ({ outputDirectory }) => {
    const assets = join(outputDirectory, 'assets');
    const main = join(assets, 'main.js');
    const without = replaced(
      readFileSync(main, 'utf8'),
      INLINE_STYLE,
      'document.createElement("style")',
    );
    writeFileSync(main, without);
    copyFileSync(fileURLToPath(new URL('start.js', import.meta.url)), join(assets, 'start.js'));
  });
}

/**
 * @param {string} text
 * @param {string | RegExp} from
 * @param {string} to
 */
function replaced(text, from, to) {
  const result = text.replace(from, to);
  if (result === text) throw unknownPages();
  return result;
}

function unknownPages() {
  return new Error('This version of TypeDoc writes other pages than docs/site/plugin.mjs knows.');
}
