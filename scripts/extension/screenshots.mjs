// This script takes the pictures of the extension for the store, in Chromium, with a real model:
//
//   ./build.sh extension && node scripts/extension/screenshots.mjs [--small]
//
// They are committed in www/extension/store/screenshots. The model is that of ./build.sh demo, or
// the small one.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { act, controlOf, waitForCard } from '../../tests/e2e/helpers/assistant.mjs';
import { makeExtension, openBrowser } from '../../tests/e2e/helpers/extension.mjs';
import { QWEN, SMOLLM2 } from '../../tests/e2e/helpers/harness.mjs';
import { startServer } from '../serve.mjs';

const FOLDER = fileURLToPath(new URL('../../www/extension/store/screenshots/', import.meta.url));
const [FILE, NAME] = process.argv.includes('--small')
  ? [SMOLLM2, 'SmolLM2 135M Instruct']
  : [QWEN, 'Qwen2.5 Coder 0.5B Instruct'];
/** The store takes this size. */
const SIZE = { width: 1280, height: 800 };
/** An answer may take this long on a machine that has other things to do. */
const MAX_MS = 400_000;
/** The width of Chrome's side panel. */
const PANEL = 400;

const LETTER = `Dear neighbours,

thank you for you're help with the garden last week. The new apple trees looks
wonderful. Please let me knows if you can come on Saturday.`;
const MAIL = `<!doctype html><meta charset="utf-8"><title>New message</title>
<link rel="icon" href="data:,">
<style>
  body { margin: 0; font: 16px/1.6 system-ui, sans-serif; background: #f2f4f7; color: #20242b; }
  main { max-width: 760px; margin: 64px auto; background: #fff; border-radius: 12px;
    box-shadow: 0 1px 3px rgb(0 0 0 / 12%), 0 12px 40px rgb(0 0 0 / 8%); overflow: hidden; }
  header { padding: 14px 24px; background: #eef1f5; font-weight: 600; }
  p { margin: 0; padding: 12px 24px; border-bottom: 1px solid #e6e9ee; color: #687080; }
  textarea { display: block; box-sizing: border-box; width: 100%; height: 200px; padding: 24px;
    border: 0; outline: 0; font: inherit; color: inherit; resize: none; }
</style>
<main><header>New message</header><p>To: the garden club</p><p>Saturday</p>
<textarea id="mail"></textarea></main>`;
const ARTICLE = `<!doctype html><meta charset="utf-8"><title>The siskin</title>
<link rel="icon" href="data:,">
<style>
  body { margin: 0; font: 19px/1.7 Georgia, 'Liberation Serif', serif; background: #fff;
    color: #23271f; }
  main { max-width: 620px; padding: 56px 64px; }
  h1 { font-size: 44px; line-height: 1.15; margin: 0 0 8px; }
  small { color: #6b7064; font: 15px system-ui, sans-serif; }
</style>
<main><h1>The siskin</h1><small>A small finch of northern forests</small>
<p>The siskin is a small finch that lives in coniferous forests of Europe and Asia. It weighs about
fourteen grams and is hardly longer than a finger.</p>
<p>It eats the seeds of spruce, alder and birch, often hanging upside down from the thin ends of the
twigs. In years with few cones, large flocks travel far to the south and west.</p>
<p>Siskins are sociable. In winter they mix with redpolls and visit gardens, where they come to
feeders for sunflower seeds and peanuts. The nest is built high in a conifer, near the end of a
branch, and is so hard to find that people once believed it was invisible.</p></main>`;

await mkdir(FOLDER, { recursive: true });
const page_of = (text) => (_request, response) => {
  response.removeHeader('Content-Security-Policy');
  response.writeHead(200, { 'Content-Type': 'text/html' }).end(text);
};
const server = await startServer({
  routes: { '/mail': page_of(MAIL), '/article': page_of(ARTICLE) },
});
const folders = [];
/** Opens a browser with an extension whose listed models are changed, and a profile of its own. */
async function open(model) {
  const folder = await makeExtension(model);
  const profile = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
  folders.push(folder, profile);
  return openBrowser(folder, profile, { context: { viewport: SIZE } });
}
/** A page behind another draws no frame, and a picture of it would wait for one. */
const picture = async (page, options) => {
  await page.bringToFront();
  return page.screenshot(options);
};
const shoot = async (page, name) => {
  await picture(page, { path: join(FOLDER, `${name}.png`) });
  console.log(name);
};

// This page says where a model comes from. The other pictures are of one that is here.
const installed = await open({});
const first_run = await installed.opened('first_run/first_run.html');
await first_run.getByRole('button', { name: /Download/ }).waitFor();
await shoot(first_run, '1-first-run');
await installed.close();

const browser = await open({
  url: `${server.url}/models/${FILE}`,
  name: NAME,
  sha256: undefined,
});
const { context } = browser;
await browser.set({ ready: true, backend: 'cpu' });

const mail = await context.newPage();
await mail.goto(`${server.url}/mail`);
await mail.locator('textarea').fill(LETTER);
await mail.locator('textarea').evaluate((field) => field.setSelectionRange(0, field.value.length));
await act(context, mail, 'correct');
await waitForCard(mail, (card) => controlOf(card, /^Accept/)?.is_enabled, { ms: MAX_MS });
await mail.waitForTimeout(300);
await shoot(mail, '2-correct');
await mail.close();

// Chromium without a window has no side panel: both are put side by side.
const article = await context.newPage();
await article.goto(`${server.url}/article`);
const panel = await browser.open('panel/panel.html');
await panel.setViewportSize({ width: PANEL, height: SIZE.height });
await article.bringToFront();
await panel.evaluate(() => document.getElementById('add-page').click());
await panel.locator('#context-title').getByText('The siskin').waitFor({ state: 'attached' });
await panel.bringToFront();
await panel.locator('#prompt').fill('Why do siskins come to gardens in winter?');
await panel.keyboard.press('Enter');
await panel.locator('.assistant .meta button').first().waitFor({ timeout: MAX_MS });
await article.setViewportSize({ width: SIZE.width - PANEL, height: SIZE.height });
const [left, right] = [await picture(article), await picture(panel)].map((image) =>
  image.toString('base64'),
);
const both = await context.newPage();
await both.setContent(
  '<style>body{display:flex;margin:0}img{display:block}img+img{box-shadow:0 0 0 1px #ddd}</style>' +
    [left, right].map((image) => `<img src="data:image/png;base64,${image}">`).join(''),
);
await both.waitForFunction(() => [...document.images].every(({ complete }) => complete));
await shoot(both, '3-panel');

await browser.close();
await server.close();
for (const path of folders) await rm(path, { recursive: true, force: true });
