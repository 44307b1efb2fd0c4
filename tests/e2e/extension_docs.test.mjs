// This test opens the card on a page that is built as Google Docs is: the text is drawn on a canvas,
// and keys go to a frame that nobody sees. No model is needed.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { act, clickCard, controlOf, openFields, waitForCard } from './helpers/assistant.mjs';
import { NEED_EXTENSION, workerOf } from './helpers/extension.mjs';
import { cannotRunExtension, shoot } from './helpers/harness.mjs';

const ADDRESS = 'https://docs.google.com/document/d/1/edit';
const PAGE = `<!doctype html><title>A letter</title><link rel="icon" href="data:,">
<canvas width="700" height="300"></canvas>
<iframe id="keys" style="position: absolute; top: -999px; width: 1px; height: 1px"></iframe>
<script>
  const [context] = [document.querySelector('canvas').getContext('2d')];
  context.font = '20px serif';
  context.fillText('She have two cats.', 40, 60);
  const { body } = keys.contentDocument;
  body.innerHTML = '<div contenteditable="true" role="textbox"></div>';
  document.querySelector('canvas').addEventListener('click', () => body.firstChild.focus());
</script>`;

describe('Google Docs', { skip: cannotRunExtension(NEED_EXTENSION), timeout: 60_000 }, () => {
  let context, close;
  before(async () => {
    ({ context, close } = await openFields({ hosts: ['https://docs.google.com/*'] }));
    await context.route(`${ADDRESS}*`, (route) =>
      route.fulfill({ contentType: 'text/html', body: PAGE }),
    );
  });
  after(() => close?.());

  for (const [how, click] of [
    ['the caret is in the text', (page) => page.locator('canvas').click()],
    ['nothing has the focus', () => {}],
  ])
    test(`says that it works in the side panel, and opens it, where ${how}`, async () => {
      const page = await context.newPage();
      await page.goto(ADDRESS);
      await click(page);
      // Chromium without a window has no side panel.
      const worker = await workerOf(context);
      await worker.evaluate(() => {
        globalThis.opened = [];
        chrome.sidePanel.open = async (where) => void opened.push(where);
      });
      await act(context, page, 'correct');
      const card = await waitForCard(page, (it) => it?.status);
      assert.match(card.status, /^Google Docs draws its text .* works in the side panel/);
      assert.equal(controlOf(card, 'Correct'), undefined, 'nothing is offered that does nothing');
      await shoot(page, 'extension-docs');
      await clickCard(page, 'Open the side panel');
      const deadline = Date.now() + 5000;
      while (Date.now() < deadline && (await worker.evaluate(() => opened.length)) === 0)
        await page.waitForTimeout(50);
      assert.deepEqual(await worker.evaluate(() => opened.map(Object.keys)), [['windowId']]);
      await page.keyboard.press('Escape');
      await waitForCard(page, (it) => !it);
      await page.close();
    });
});
