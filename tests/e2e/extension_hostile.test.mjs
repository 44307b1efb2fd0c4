// These tests hold what a page may not do to the writing assistant: read it, drive it, hide it, or
// make it slow. A small model is enough.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  LONG,
  act,
  cardOf,
  clickCard,
  controlOf,
  openFields,
  waitForCard,
} from './helpers/assistant.mjs';
import { NEED_EXTENSION } from './helpers/extension.mjs';
import { SMOLLM2, cannotRunExtension, shoot } from './helpers/harness.mjs';

const needs = [SMOLLM2, NEED_EXTENSION];
/** A rule finds this, whatever the model says. */
const WRONG = 'I should of told you about the garden.';
/** The card must come in this time. */
const MAX_OPEN_MS = 2000;
/** The page's thread may compute this long for it, the page's own layout included. */
const MAX_CPU_MS = 200;

describe('a hostile page', { skip: cannotRunExtension(...needs), timeout: 200_000 }, () => {
  let context, open, close;
  before(async () => {
    const hosts = ['http://*/*', 'https://*/*'];
    const fields = await openFields({ model: SMOLLM2, hosts });
    ({ context, close } = fields);
    open = () => fields.open('fields/hostile.html');
  });
  after(() => close?.());
  /** Opens the card with an answer that may be accepted. */
  const propose = async (page) => {
    await page.locator('#area').fill(WRONG);
    await act(context, page, 'correct', 0);
    await waitForCard(page, (it) => controlOf(it, 'Accept')?.is_enabled);
  };

  test('learns nothing of fields for secrets, for they are not read', async () => {
    const { page } = await open();
    for (const id of ['password', 'shown', 'code', 'number', 'labelled']) {
      await page.locator(`#${id}`).focus();
      await act(context, page, 'correct');
      const card = await waitForCard(page, (it) => it?.status);
      assert.equal(card.status, 'Siskin does not read fields for secrets.', id);
      assert.equal(await cardOf(page, 'corner'), undefined, `${id} has no button`);
      await page.keyboard.press('Escape');
    }
    await page.close();
  });

  test('reads nothing, and drives nothing by a program', async () => {
    const { page } = await open();
    await propose(page);
    const before = await page.locator('#area').inputValue();
    await page.evaluate(() => {
      clickByProgram();
      for (const type of ['act', 'engine', 'settings', 'instruction'])
        window.postMessage({ type, action: 'correct', text: 'x' }, '*');
    });
    await page.waitForTimeout(200);
    assert.ok(await cardOf(page), 'the card is still open');
    assert.equal(await page.locator('#area').inputValue(), before);
    const found = await page.evaluate(() => ({
      roots: roots.length,
      seen: window.seen ?? [],
      runtime: typeof globalThis.chrome?.runtime,
      frames: window.length,
      text: document.documentElement.innerText.includes('Accept'),
    }));
    assert.deepEqual(found, { roots: 0, seen: [], runtime: 'undefined', frames: 0, text: false });
    await page.close();
  });

  test('hears no key that is typed into the card', async () => {
    const { page } = await open();
    await page.locator('#area').fill(WRONG);
    await act(context, page, 'custom', 0);
    const card = await waitForCard(page, (it) => it?.controls.some(({ is_frame }) => is_frame));
    await page.waitForTimeout(500);
    await page.evaluate(() => (keys.length = messages.length = 0));
    const { x, y } = card.controls.find(({ is_frame }) => is_frame);
    await page.mouse.click(x, y);
    await page.keyboard.type('Make it a poem');
    await shoot(page, 'extension-custom');
    await page.keyboard.press('Enter');
    await waitForCard(page, (it) => it?.text || /Writing|ready/.test(it?.status ?? ''));
    assert.deepEqual(await page.evaluate(() => [keys, messages]), [[], []]);
    await page.close();
  });

  test('cannot make a person click on a card that is covered or faint', async () => {
    const { page } = await open();
    await propose(page);
    await page.evaluate(() => cover());
    await page.waitForTimeout(400);
    await clickCard(page, 'Accept');
    await page.waitForTimeout(200);
    assert.equal(await page.locator('#area').inputValue(), WRONG);
    await page.evaluate(() => uncover());
    await page.evaluate(() => {
      for (const it of document.documentElement.children)
        if (it.hasAttribute('popover')) it.style.setProperty('opacity', '0.01', 'important');
    });
    await page.waitForTimeout(400);
    await clickCard(page, 'Accept');
    await page.waitForTimeout(200);
    assert.equal(await page.locator('#area').inputValue(), WRONG);
    await page.evaluate(() => {
      for (const it of document.documentElement.children)
        if (it.hasAttribute('popover')) it.style.setProperty('opacity', '1', 'important');
    });
    await page.waitForTimeout(400);
    await clickCard(page, 'Accept');
    await page.waitForFunction((text) => area.value !== text, WRONG);
    await page.close();
  });

  test('may remove the field in mid-answer: the text can be copied', async () => {
    const { page, complaints } = await open();
    await page.locator('#area').fill(`${WRONG} ${LONG} ${LONG}`);
    await act(context, page, 'correct', 0);
    const begun = await waitForCard(page, (it) => it?.inserted.length > 0);
    assert.equal(controlOf(begun, 'Copy').is_enabled, false, 'it is in mid-answer');
    await page.evaluate(() => area.remove());
    const card = await waitForCard(page, (it) => controlOf(it, 'Copy')?.is_enabled);
    assert.equal(controlOf(card, 'Accept'), undefined);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  /**
   * Lets the assistant open its card, which the page itself times: to look for the card from
   * outside is work for the page.
   *
   * @returns {Promise<{ms: number, cpu_ms: number, longest_ms: number}>} until the card is there;
   *   what the page's thread computed, until half a second later; and its longest task
   */
  const timeCard = async (page) => {
    await waitForCard(page, (it) => it, { kind: 'corner' });
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const cpu = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
    };
    await page.evaluate(() => {
      window.longest_ms = 0;
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longest_ms = Math.max(longest_ms, duration);
      }).observe({ type: 'longtask' });
      window.opened = new Promise((resolve) =>
        new MutationObserver((records) => {
          const added = records.flatMap(({ addedNodes }) => [...addedNodes]);
          if (added.some((it) => it.hasAttribute?.('popover'))) resolve(Date.now());
        }).observe(document.documentElement, { childList: true }),
      );
    });
    const [start_ms, start_cpu_ms] = [Date.now(), await cpu()];
    await act(context, page, 'correct', 0);
    const ms = (await page.evaluate(() => opened)) - start_ms;
    await page.waitForTimeout(500);
    const cpu_ms = (await cpu()) - start_cpu_ms;
    await session.detach();
    return { ms, cpu_ms, longest_ms: await page.evaluate(() => longest_ms) };
  };

  test('stays quick with 10,000 fields and a text of a megabyte', async (t) => {
    const { page } = await open();
    await page.locator('#area').fill(WRONG);
    const plain = await timeCard(page);
    await page.keyboard.press('Escape');
    await page.evaluate(() => {
      const many = document.createElement('div');
      for (let n = 0; n < 10_000; n++) many.append(document.createElement('input'));
      document.body.append(many);
      rich.textContent = 'The cat sat on the mat. '.repeat(45_000);
      rich.focus();
      getSelection().collapse(rich.firstChild, 500_000);
    });
    const large = await timeCard(page);
    t.diagnostic(JSON.stringify({ plain, large }));
    // A machine that is busy with other tests takes longer for both.
    assert.ok(large.ms < Math.max(MAX_OPEN_MS, 3 * plain.ms), `${large.ms} ms`);
    assert.ok(large.cpu_ms < MAX_CPU_MS, `${large.cpu_ms} ms`);
    await page.close();
  });

  test('shows the button at the corner of a field, and opens the card there', async () => {
    const { page, complaints } = await open();
    await page.locator('#area').click();
    await waitForCard(page, (it) => it?.controls.length === 1, { kind: 'corner' });
    await page.locator('#area').fill(WRONG);
    await shoot(page, 'extension-corner');
    await clickCard(page, 'Siskin writing assistant', { kind: 'corner' });
    const card = await waitForCard(page, (it) => it?.title);
    assert.match(card.title, /What should/);
    await shoot(page, 'extension-choose');
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
