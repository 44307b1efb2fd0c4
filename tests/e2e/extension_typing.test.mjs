// These tests let the writing assistant check sentences while a person types. A small model is
// enough: a rule finds the mistakes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  act,
  cardOf,
  clickCard,
  controlOf,
  inContentScript,
  openFields,
  targetsOf,
  waitForCard,
} from './helpers/assistant.mjs';
import { NEED_EXTENSION, writeSettings } from './helpers/extension.mjs';
import { SMOLLM2, cannotRunExtension, shoot } from './helpers/harness.mjs';

const needs = [SMOLLM2, NEED_EXTENSION];
const WRONG = 'I should of told you about the garden.';
const RIGHT = 'I should have told you about the garden.';
/** The pause after which a sentence is checked, and a while. */
const PAUSE_MS = 1500;

describe('as you type', { skip: cannotRunExtension(...needs), timeout: 200_000 }, () => {
  let context, open, close;
  before(async () => {
    ({ context, open, close } = await openFields({
      model: SMOLLM2,
      settings: { asYouType: 'on' },
      hosts: ['http://*/*', 'https://*/*'],
    }));
  });
  after(() => close?.());
  const type = async (page, id, text) => {
    await page.locator(id).click();
    await waitForCard(page, (it) => it?.controls.length === 1, { kind: 'corner' });
    await page.keyboard.type(text);
  };
  const waitForCount = (page, count, ms = 60_000) => {
    const label = count === 1 ? /: 1 correction$/ : count ? RegExp(`: ${count} cor`) : /assistant$/;
    return waitForCard(page, (it) => controlOf(it, label), { kind: 'corner', ms });
  };
  const setBattery = (page, charging, level) =>
    inContentScript(
      page,
      `Object.defineProperty(navigator, 'getBattery', {
        configurable: true, value: async () => ({ charging: ${charging}, level: ${level} }) })`,
    );
  const engines = (page) => targetsOf(page, '/offscreen.html').then(({ length }) => length);

  test('asks nothing while the battery is low, nor in a language it does not know', async () => {
    const { page } = await open();
    await setBattery(page, false, 0.1);
    await type(page, '#area', WRONG);
    await page.waitForTimeout(PAUSE_MS);
    assert.equal(await engines(page), 0, 'no engine for a low battery');
    await setBattery(page, true, 0.1);
    for (const text of [
      'Eu não sei o que fazer para ele, mas vou tentar amanhã com a minha irmã.',
      'Nie wiem, co on robił wczoraj w domu, ale dzisiaj jest już lepiej.',
    ]) {
      await page.locator('#area').fill('');
      await page.keyboard.type(text);
      await page.waitForTimeout(PAUSE_MS);
      assert.equal(await engines(page), 0, text);
    }
    // What the page types by a program is not typed.
    await page.locator('#area').evaluate((area, text) => {
      area.value = text;
      area.dispatchEvent(new InputEvent('input', { bubbles: true, inputType: 'insertText' }));
    }, WRONG);
    await page.waitForTimeout(PAUSE_MS);
    assert.equal(await engines(page), 0, 'an event of the page');
    await page.close();
  });

  test('shows the number at a textarea, and its card has the corrections', async () => {
    const { page, complaints } = await open();
    await setBattery(page, true, 1);
    await type(page, '#area', WRONG);
    await waitForCount(page, 1);
    // The sentence is remembered where others come before and after it.
    await page.keyboard.press('Home');
    await page.keyboard.type('The cat sat on the mat. ');
    await waitForCount(page, 1);
    await shoot(page, 'extension-as-you-type');
    await clickCard(page, /1 correction/, { kind: 'corner' });
    const card = await waitForCard(page, (it) => it?.title);
    assert.deepEqual([card.title, card.inserted], ['Correct', ['have']]);
    await clickCard(page, 'Accept');
    await page.waitForFunction((text) => area.value.endsWith(text), RIGHT);
    await waitForCount(page, 0);
    await page.keyboard.press('Control+z');
    assert.equal(await page.locator('#area').inputValue(), `The cat sat on the mat. ${WRONG}`);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('underlines in an editable element, and no more when it was turned off', async () => {
    const { page, complaints } = await open();
    await setBattery(page, true, 1);
    await type(page, '#rich', WRONG);
    await waitForCount(page, 1);
    const underlined = () =>
      page.evaluate(() =>
        [...CSS.highlights.values()].flatMap((it) => [...it].map((range) => range.toString())),
      );
    assert.deepEqual(await underlined(), ['of']);
    await shoot(page, 'extension-underlined');
    // The page's tree is as it was.
    assert.equal(await page.evaluate(() => rich.innerHTML), WRONG);
    // Another field has nothing to show.
    await page.locator('#line').focus();
    assert.deepEqual(await underlined(), []);
    await writeSettings(context, { asYouType: 'off' });
    await page.locator('#area').click();
    await page.keyboard.type('You should of known that it rains.');
    await page.waitForTimeout(PAUSE_MS);
    await waitForCount(page, 0);
    assert.equal(await cardOf(page), undefined);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('is silent on a site where it is off, and says so when it is asked', async () => {
    await writeSettings(context, { asYouType: 'on', offSites: ['localhost'] });
    const { page, complaints } = await open();
    await setBattery(page, true, 1);
    await page.locator('#area').click();
    await page.keyboard.type(WRONG);
    await page.waitForTimeout(PAUSE_MS);
    assert.equal(await cardOf(page, 'corner'), undefined, 'no button');
    await act(context, page, 'correct');
    const card = await waitForCard(page, (it) => it?.status);
    assert.equal(card.status, 'Siskin is off on this site.');
    assert.deepEqual(
      card.controls.map(({ label }) => label),
      ['Close'],
    );
    await page.keyboard.press('Escape');
    await waitForCard(page, (it) => !it);
    assert.equal(await page.locator('#area').inputValue(), WRONG);
    assert.deepEqual(complaints, []);
    await page.close();
  });
});
