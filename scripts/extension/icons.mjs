// This script draws the extension's icons of their SVG, in Chromium:
//
//   node scripts/extension/icons.mjs
//
// The PNGs are committed, because Chrome takes no SVG in a manifest.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../chromium.mjs';

const FOLDER = new URL('../../www/extension/icons/', import.meta.url);
/** Toolbar, its doubled pixels, the page of extensions, and the store. */
const SIZES = [16, 32, 48, 128];

const svg = readFileSync(new URL('icon.svg', FOLDER), 'utf8');
const browser = await launchChromium();
const page = await browser.newPage();
for (const size of SIZES) {
  await page.setViewportSize({ width: size, height: size });
  const address = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await page.setContent(
    `<style>body{margin:0}img{display:block}</style><img width=${size} height=${size} src="${address}">`,
  );
  await page.waitForFunction(() => document.images[0].complete);
  const path = fileURLToPath(new URL(`${size}.png`, FOLDER));
  await page.screenshot({ path, omitBackground: true });
}
await browser.close();
