// These tests install the writing assistant in Chromium and use it as a person does, with a model
// from a local server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  LONG,
  RIGHT,
  WRONG,
  act,
  cardOf,
  clickCard,
  closeEngine,
  controlOf,
  isWritten,
  openFields,
  plainFolder,
  stopWorker,
  targetsOf,
  waitForCard,
} from './helpers/assistant.mjs';
import { buildEditors } from './helpers/editors.mjs';
import { NEED_EXTENSION } from './helpers/extension.mjs';
import { QWEN, cannotRunExtension, shoot } from './helpers/harness.mjs';

const needs = [QWEN, NEED_EXTENSION];

describe('the writing assistant', { skip: cannotRunExtension(...needs), timeout: 280_000 }, () => {
  let context, first_run, open, close, editors;
  before(async () => {
    editors = await buildEditors();
    const routes = { '/editors/': plainFolder(editors.folder) };
    const settings = { backend: 'cpu' };
    ({ context, first_run, open, close } = await openFields({ is_new: true, settings, routes }));
  });
  after(async () => {
    await close?.();
    await editors?.remove();
  });

  const firstChange = (page) =>
    waitForCard(page, (it) => it?.inserted.length > 0 && controlOf(it, /^Accept/)?.is_enabled, {
      ms: 120_000,
    });

  test('is installed, and fetches its model in the first run', async () => {
    const size = first_run.locator('label[for=model-default]').getByText(/491 MB from localhost/);
    await size.waitFor();
    await shoot(first_run, 'extension-walk-before');
    await first_run.getByRole('button', { name: 'Download' }).click();
    await first_run
      .getByText('Qwen2.5 Coder 0.5B Instruct is on this computer, 491 MB')
      .waitFor({ timeout: 60_000 });
    await shoot(first_run, 'extension-walk-after');
    await first_run.close();
  });

  test('corrects a textarea, and undo brings the text back', async () => {
    const { page, complaints } = await open();
    await page.locator('#area').fill(WRONG);
    await act(context, page, 'correct');
    const card = await firstChange(page);
    assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
    await shoot(page, 'extension-textarea');
    await clickCard(page, 'Accept');
    await page.waitForFunction((text) => area.value === text, RIGHT);
    assert.equal(await cardOf(page), undefined);
    await page.keyboard.press('Control+z');
    assert.equal(await page.locator('#area').inputValue(), WRONG);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  for (const name of ['react', 'prosemirror', 'lexical', 'lexical-shadow', 'slate', 'quill'])
    test(`corrects and undoes in ${name}, whose own state has the text`, async () => {
      const { page, complaints } = await open(`editors/?editor=${name}`);
      await page.waitForFunction(() => window.is_mounted);
      await page.evaluate(() => window.focusEditor());
      await page.keyboard.press('End');
      await act(context, page, 'correct');
      const card = await firstChange(page);
      assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
      await shoot(page, `extension-${name}`);
      await clickCard(page, 'Accept');
      await page.waitForFunction((text) => window.textOf() === text, RIGHT);
      await waitForCard(page, (it) => !it);
      assert.equal(await page.evaluate(() => window.boldOf()), 'cats');
      // The caret is where it was: at the end.
      await page.keyboard.type('!');
      await page.waitForFunction((text) => window.textOf() === text, `${RIGHT}!`);
      // One step for what was typed, and one for the change. Some editors make it one.
      for (let pressed = 0; pressed < 2; pressed++) {
        if ((await page.evaluate(() => window.textOf())) === WRONG) break;
        await page.keyboard.press('Control+z');
        await page.waitForTimeout(50);
      }
      assert.equal(await page.evaluate(() => window.textOf()), WRONG);
      assert.deepEqual(complaints, []);
      await page.close();
    });

  test('takes one change of several in an editable element, and keeps what is bold', async () => {
    const { page, complaints } = await open();
    await page.evaluate(() => {
      rich.innerHTML = '<p>She <b>have</b> two cats.</p><p>The keys is on the table.</p>';
      rich.focus();
    });
    await act(context, page, 'correct');
    const card = await firstChange(page);
    assert.deepEqual(card.inserted, ['has', 'are']);
    await clickCard(page, 'isare');
    const open_card = await waitForCard(page, (it) => it?.detail);
    assert.match(open_card.detail, /agree/);
    await shoot(page, 'extension-detail');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot(page, 'extension-dark');
    await page.setViewportSize({ width: 390, height: 760 });
    await page.waitForTimeout(100);
    await shoot(page, 'extension-phone');
    await page.setViewportSize({ width: 1100, height: 760 });
    // The card goes to its place in the new window.
    await page.waitForTimeout(500);
    await clickCard(page, 'Accept this');
    await page.waitForFunction(() => rich.innerText.includes('keys are'));
    assert.match(await page.evaluate(() => rich.innerText), /have/);
    await clickCard(page, 'Accept');
    await page.waitForFunction(
      () => rich.innerHTML === '<p>She <b>has</b> two cats.</p><p>The keys are on the table.</p>',
    );
    await page.keyboard.press('Control+z');
    assert.match(await page.evaluate(() => rich.innerHTML), /<b>have<.*keys are/);
    await page.keyboard.press('Control+z');
    assert.match(await page.evaluate(() => rich.innerHTML), /<b>have<.*keys is/);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('corrects a field in a frame, and lets go when Escape is pressed', async () => {
    const { page, complaints } = await open();
    const area = page.frameLocator('#frame').locator('#area');
    await area.fill(WRONG);
    await act(context, page, 'correct');
    await firstChange(page);
    await shoot(page, 'extension-frame');
    await page.keyboard.press('Escape');
    assert.equal(await waitForCard(page, (it) => !it), undefined);
    await act(context, page, 'correct');
    await firstChange(page);
    await clickCard(page, 'Accept');
    await page.waitForFunction(
      (text) => document.getElementById('frame').contentDocument.activeElement.value === text,
      RIGHT,
    );
    await page.keyboard.press('Control+z');
    assert.equal(await area.inputValue(), WRONG);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('goes on when the worker and the engine are ended in mid-answer', async (t) => {
    const { page } = await open();
    await page.locator('#area').fill(LONG);
    const rephrase = async () => {
      await act(context, page, 'formal', 0);
      await waitForCard(page, (it) => it?.text.length > 20);
    };
    await rephrase();
    const { text } = await waitForCard(page, isWritten);
    await page.keyboard.press('Escape');
    await rephrase();
    const start_ms = Date.now();
    await stopWorker(context);
    await closeEngine(page);
    await waitForCard(page, (it) => it?.title === 'Formal');
    const again = await waitForCard(page, isWritten, { ms: 60_000 });
    assert.equal(again.text, text, 'the answer goes on where it was');
    assert.equal((await targetsOf(page, '/offscreen.html')).length, 1);
    t.diagnostic(`${Date.now() - start_ms} ms`);
    await page.close();
  });
});
