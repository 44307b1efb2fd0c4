// These tests put the tab to sleep, close it in mid-answer and leave the engine idle: nothing is
// lost, and nothing is left running. A small model is enough.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  LONG,
  act,
  cardOf,
  clickCard,
  closeEngine,
  inEngine,
  isDone,
  isWritten,
  openFields,
  targetsOf,
  waitForCard,
} from './helpers/assistant.mjs';
import { NEED_EXTENSION } from './helpers/extension.mjs';
import { SMOLLM2, cannotRunExtension, shoot } from './helpers/harness.mjs';
import { renderers, ticksOf } from './helpers/killable.mjs';
import { eventually } from './helpers/site.mjs';

const needs = [SMOLLM2, NEED_EXTENSION];
/** Lets the engine's document note which of its prefixes came from the device. */
const KEEP_PREFIXES = `
globalThis.prefixes = [];
const { prefix } = Siskin.prototype;
Siskin.prototype.prefix = async function (...given) {
  const kept = await prefix.apply(this, given);
  prefixes.push(kept.restored);
  return kept;
};`;

describe('a short life', { skip: cannotRunExtension(...needs), timeout: 200_000 }, () => {
  let context, profile, open, close;
  before(async () => {
    ({ context, profile, open, close } = await openFields({
      model: SMOLLM2,
      // The engine looks at its clock more often than every ten seconds.
      change: async (folder) => {
        const path = join(folder, 'extension/offscreen.js');
        const text = await readFile(path, 'utf8');
        assert.match(text, /WATCH_MS = 10_000/);
        await writeFile(path, text.replace('WATCH_MS = 10_000', 'WATCH_MS = 200') + KEEP_PREFIXES);
      },
    }));
  });
  after(() => close?.());
  const rephrase = async (page) => {
    await act(context, page, 'longer', 0);
    return waitForCard(page, (it) => it?.text.length > 20);
  };
  const isRight = (it) => it?.status === 'No mistakes found.';
  /** Returns how much the browser's pages compute in a second, in ticks of the clock. */
  const load = async () => {
    const ids = renderers(profile);
    const count = () => ids.reduce((sum, id) => sum + ticksOf(id), 0);
    const before = count();
    await new Promise((done) => setTimeout(done, 1000));
    return count() - before;
  };

  test('a tab that sleeps in mid-answer has the whole answer when it wakes', async () => {
    const { page } = await open();
    await page.locator('#area').fill(`${LONG} ${LONG}`);
    await rephrase(page);
    const { text } = await waitForCard(page, isWritten);
    await page.keyboard.press('Escape');
    const { text: begun } = await rephrase(page);
    const session = await context.newCDPSession(page);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((done) => setTimeout(done, 3000));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    const { text: whole } = await waitForCard(page, isWritten);
    assert.ok(begun.length < text.length, 'it slept in mid-answer');
    assert.equal(whole, text);
    await page.close();
  });

  test('a tab that is closed in mid-answer leaves nothing running', async (t) => {
    const { page: other } = await open();
    const { page } = await open();
    // Each sentence is corrected by itself, which takes seconds for twelve of them.
    await page.locator('#area').fill(`${LONG} `.repeat(12));
    await act(context, page, 'correct', 0);
    await waitForCard(page, (it) => it && it.status !== '');
    const busy = await load();
    assert.ok(!isWritten(await cardOf(page)), 'it is in mid-answer');
    await page.close();
    // The token that is computed ends.
    await other.waitForTimeout(300);
    const idle = await load();
    t.diagnostic(`${busy} ticks of a second before, ${idle} after`);
    assert.ok(idle < busy / 4, `${busy} ticks of a second before, ${idle} after`);
    // The engine is there for others.
    assert.equal((await targetsOf(other, '/offscreen.html')).length, 1);
    await other.close();
  });

  test('the newest request of a field ends the one before', async (t) => {
    const { page } = await open();
    await page.locator('#area').fill(`${LONG} `.repeat(12));
    await act(context, page, 'correct', 0);
    await waitForCard(page, (it) => it && it.status !== '');
    const busy = await load();
    assert.ok(!isWritten(await cardOf(page)), 'it is in mid-answer');
    await page.locator('#area').fill('I should of told you.');
    await act(context, page, 'correct', 0);
    const card = await waitForCard(page, (it) => it?.status === '' && isDone(it));
    assert.match(card.text, /^I should of/);
    await page.waitForTimeout(300);
    const idle = await load();
    t.diagnostic(`${busy} ticks of a second before, ${idle} after`);
    assert.ok(idle < busy / 4, `${busy} ticks of a second before, ${idle} after`);
    await page.close();
  });

  test('the engine is closed when nobody used it for minutes, and not in an answer', async () => {
    const { page } = await open();
    /** The engine's clock leaps. */
    const AFTER_MINUTES = `{
      const now = performance.now.bind(performance);
      performance.now = () => now() + 6 * 60_000;
    }`;
    await page.locator('#area').fill(`${LONG} `.repeat(2));
    await act(context, page, 'correct', 0);
    await waitForCard(page, (it) => it && it.status !== '');
    await inEngine(page, AFTER_MINUTES);
    await page.waitForTimeout(600);
    assert.equal((await targetsOf(page, '/offscreen.html')).length, 1, 'it is in an answer');
    await waitForCard(page, isRight);
    await page.keyboard.press('Escape');
    await inEngine(page, AFTER_MINUTES);
    await eventually(
      async () => (await targetsOf(page, '/offscreen.html')).length === 0,
      'the end of the engine',
    );
    await act(context, page, 'correct', 0);
    await waitForCard(page, isRight);
    // The next one does not compute the beginning of the prompt again.
    await eventually(
      async () => String(await inEngine(page, 'prefixes')) === 'true',
      'the prefix from the device',
    );
    await page.close();
  });

  test('Retry asks once more after engines were lost in a row, without a word from any', async () => {
    const { page } = await open();
    await page.locator('#area').fill('I should of told you about the garden.');
    await act(context, page, 'correct', 0);
    const isGivenUp = async () => {
      if (/stopped several times/.test((await cardOf(page))?.status ?? '')) return true;
      // A document that has just begun may be another one a moment later.
      await closeEngine(page).catch(() => {});
      return false;
    };
    await eventually(isGivenUp, 'the last of the engines');
    await shoot(page, 'extension-lost');
    await clickCard(page, 'Retry');
    const card = await waitForCard(page, (it) => it?.status === '' && isDone(it));
    assert.ok(card.inserted.includes('have'));
    await page.close();
  });
});
