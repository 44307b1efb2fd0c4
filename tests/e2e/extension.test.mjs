// These tests install the writing assistant in Chromium and use it as a person does, with a model
// from a local server.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import {
  act,
  cardOf,
  clickCard,
  openAssistant,
  openPage,
  waitForCard,
} from './helpers/assistant.mjs';
import { buildEditors } from './helpers/editors.mjs';
import { QWEN, ROOT, cannotRunExtension, shoot } from './helpers/harness.mjs';

const WRONG = 'She have two cats. The keys are on the table.';
const RIGHT = 'She has two cats. The keys are on the table.';
const needs = [QWEN, [join(ROOT, 'pkg/extension/content.js'), './build.sh extension makes it']];

describe('the writing assistant', { skip: cannotRunExtension(...needs), timeout: 280_000 }, () => {
  let server;
  let context;
  let stop;
  let editors;
  before(async () => {
    editors = await buildEditors();
    server = await startServer({
      port: 0,
      routes: {
        '/fields/': join(ROOT, 'tests/e2e/pages/fields'),
        '/editors/': editors.folder,
      },
    });
    const url = `${server.url.replace('127.0.0.1', 'localhost')}/models/${QWEN}`;
    ({ context, stop } = await openAssistant({
      model: { kind: 'url', url },
      backend: 'cpu',
      ready: true,
    }));
  });
  after(async () => {
    await stop?.();
    await server?.close();
    await editors?.remove();
  });

  const open = (name) =>
    openPage(context, `${server.url.replace('127.0.0.1', 'localhost')}/fields/${name}`);

  test('corrects a textarea, and undo brings the text back', async () => {
    const { page, complaints } = await open('plain.html');
    await page.locator('#area').fill(WRONG);
    await act(context, page, 'correct');
    const card = await waitForCard(page, (it) => it?.inserted.length > 0, { ms: 120_000 });
    assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
    await shoot(page, 'extension-textarea');
    await clickCard(page, 'Accept');
    await page.waitForFunction((text) => area.value === text, RIGHT);
    assert.equal(await cardOf(page), undefined);
    await page.keyboard.press('Control+z');
    assert.equal(await page.locator('#area').inputValue(), WRONG);
    assert.deepEqual(complaints, []);
  });

  for (const name of ['react', 'prosemirror', 'lexical', 'lexical-shadow', 'slate', 'quill'])
    test(`corrects and undoes in ${name}, whose own state has the text`, async () => {
      const { page, complaints } = await openPage(
        context,
        `${server.url.replace('127.0.0.1', 'localhost')}/editors/?editor=${name}`,
      );
      await page.waitForFunction(() => window.is_mounted);
      await page.evaluate(() => window.focusEditor());
      await page.keyboard.press('End');
      await act(context, page, 'correct');
      const card = await waitForCard(page, (it) => it?.inserted.length > 0);
      assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
      await shoot(page, `extension-${name}`);
      await clickCard(page, 'Accept');
      await page.waitForFunction((text) => window.textOf() === text, RIGHT, { timeout: 5000 });
      assert.equal(await page.evaluate(() => window.boldOf()), 'cats');
      // The caret is where it was: at the end.
      await page.keyboard.type('!');
      assert.equal(await page.evaluate(() => window.textOf()), `${RIGHT}!`);
      for (let pressed = 0; pressed < 3; pressed++) {
        if ((await page.evaluate(() => window.textOf())) === WRONG) break;
        await page.keyboard.press('Control+z');
        await page.waitForTimeout(50);
      }
      assert.equal(await page.evaluate(() => window.textOf()), WRONG);
      assert.deepEqual(complaints, []);
      await page.close();
    });
});
