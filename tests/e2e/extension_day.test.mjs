// These tests use everything that the card offers, in several tabs, over and over, while a proxy
// records every request of the browser: there is none but for the model. A small model is enough.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  act,
  clickCard,
  closeEngine,
  isDone,
  openFields,
  waitForCard,
} from './helpers/assistant.mjs';
import { NEED_EXTENSION, startProxy } from './helpers/extension.mjs';
import { SMOLLM2, cannotRunExtension, shoot } from './helpers/harness.mjs';

const needs = [SMOLLM2, NEED_EXTENSION];
const TEXT = 'I should of told you about the garden, where we meet on Monday.';
/** `SISKIN_DAY=20` makes a long day of it. */
const TABS = 2 * Number(process.env.SISKIN_DAY ?? 1);
const ACTIONS = process.env.SISKIN_DAY
  ? ['correct', 'improve', 'formal', 'casual', 'shorter', 'longer', 'translate', 'summarize']
  : ['correct', 'improve', 'shorter', 'formal'];

describe('a day of use', { skip: cannotRunExtension(...needs), timeout: 280_000 * TABS }, () => {
  let proxy, context, site, open, close;
  before(async () => {
    proxy = await startProxy();
    ({ context, site, open, close } = await openFields({
      model: SMOLLM2,
      settings: { dictionary: ['Siskin'] },
      proxy: proxy.server,
    }));
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: site });
  });
  after(async () => {
    await close?.();
    proxy?.close();
  });

  test('every action, its alternatives, a copy, and undo', async () => {
    const { page, complaints } = await open();
    await page.locator('#area').fill(TEXT);
    await act(context, page, 'translate', 0);
    await waitForCard(page, isDone);
    await shoot(page, 'extension-translate');
    await clickCard(page, 'Summarize');
    await waitForCard(page, (it) => it?.title === 'Summarize' && isDone(it));
    await clickCard(page, 'Alternatives');
    await waitForCard(page, isDone);
    await page.keyboard.press('Escape');

    await act(context, page, 'correct', 0);
    const card = await waitForCard(page, isDone);
    assert.deepEqual([card.deleted[0], card.inserted[0]], ['of', 'have']);
    await clickCard(page, 'Copy');
    await waitForCard(page, (it) => it?.status === 'Copied.');
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^I should have told you/);
    await clickCard(page, /^Accept/);
    await page.waitForFunction((text) => area.value === text, copied);
    await page.keyboard.press('Control+z');
    assert.equal(await page.locator('#area').inputValue(), TEXT);

    // A custom instruction is typed into a frame of the extension's own.
    await act(context, page, 'custom', 0);
    const asked = await waitForCard(page, (it) => it?.controls.some(({ is_frame }) => is_frame));
    await page.waitForTimeout(500);
    const { x, y } = asked.controls.find(({ is_frame }) => is_frame);
    await page.mouse.click(x, y);
    await page.keyboard.type('Make it a question');
    await page.keyboard.press('Enter');
    await waitForCard(page, isDone);
    await shoot(page, 'extension-custom-done');
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('in several tabs, again and again, without a request', async () => {
    const before = proxy.asked.length;
    for (let tab = 0; tab < TABS; tab++) {
      const { page } = await open();
      for (const [index, action] of ACTIONS.entries()) {
        if (index % 2 !== tab % 2) continue;
        const id = ['#area', '#rich', '#line'][index % 3];
        await page.locator(id).fill(TEXT);
        await act(context, page, action, 0);
        await waitForCard(page, isDone);
        await page.keyboard.press('Escape');
      }
      await page.close();
    }
    const own = [`GET ${site}/models/${SMOLLM2}`];
    const others = proxy.asked.filter((it) => !it.includes('/fields/') && !own.includes(it));
    assert.deepEqual(others, []);
    assert.ok(proxy.asked.includes(own[0]), 'the download was recorded');
    assert.ok(!proxy.asked.slice(before).includes(own[0]), 'nothing is fetched again');
  });

  test('and without any network, by an engine that begins anew', async () => {
    const { page, complaints } = await open();
    await page.locator('#area').fill(TEXT);
    proxy.close();
    await closeEngine(page);
    await act(context, page, 'correct', 0);
    const card = await waitForCard(page, isDone);
    assert.deepEqual([card.deleted[0], card.inserted[0]], ['of', 'have']);
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
