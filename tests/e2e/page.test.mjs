// These tests use the demo page as a person does.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MODELS_DIR, SMOLLM2, cannotRun, loadListed, shoot, start } from './helpers/harness.mjs';

const LONG = 'Tell me a long story about a small green bird.';

/** Serves the model at about 60 MB/s, so that its progress can be seen. */
async function slowModel(request, response) {
  const file = join(MODELS_DIR, SMOLLM2);
  response.writeHead(200, { 'Content-Length': (await stat(file)).size });
  for await (const chunk of createReadStream(file, { highWaterMark: 3e6 })) {
    if (response.destroyed) return;
    response.write(chunk);
    await sleep(50);
  }
  response.end();
}

describe('the page', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  before(async () => (site = await start({ [`/models/${SMOLLM2}`]: slowModel })));
  after(() => site?.stop());

  test('shows progress, streams, stops, starts again', async () => {
    const { page, complaints, close } = await site.open();
    await shoot(page, 'welcome');
    await page.getByRole('radio', { name: 'SmolLM2' }).check();
    await page.getByRole('button', { name: 'Load model' }).click();

    await page.waitForFunction(() => document.querySelector('#progress').value > 0.2);
    const seen = await page.locator('#progress').evaluate((bar) => bar.value);
    assert.match(await page.locator('#progress-bytes').innerText(), /^\d+(\.\d)? MB of 98 MB$/);
    assert.match(
      await page.locator('#progress-rate').innerText(),
      /^\d+(\.\d)? MB\/s, \d+ s left$/,
    );
    await shoot(page, 'loading');
    await page.waitForFunction((seen) => document.querySelector('#progress').value > seen, seen);
    await page.locator('#prompt').waitFor({ state: 'visible' });
    assert.equal(await page.locator('#model-name').innerText(), 'SmolLM2 135M Instruct');
    assert.match(
      await page.locator('#where').innerText(),
      /^CPU · (relaxed )?SIMD · \d+ threads?$/,
    );
    await shoot(page, 'empty-chat');

    await page.locator('#prompt').pressSequentially(LONG);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    const text = page.locator('.assistant .text').first();
    await page.waitForFunction(
      () => document.querySelector('.assistant.writing .text')?.textContent.length > 10,
    );
    const early = await text.innerText();
    await page.waitForFunction(
      (length) => document.querySelector('.assistant.writing .text').innerText.length > length + 20,
      early.length,
    );
    assert.ok(
      (await text.innerText()).startsWith(early.slice(0, 10)),
      'streamed text grows at its end',
    );
    await shoot(page, 'writing');

    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.locator('.assistant:not(.writing)').waitFor();
    const stopped = await text.innerText();
    await sleep(700);
    assert.equal(await text.innerText(), stopped, 'no text after stop');
    assert.match(
      await page.locator('.assistant .notes').innerText(),
      /tokens\/s · \d+ tokens · stopped/,
    );

    await page.locator('#prompt').fill('Say hello.');
    await page.keyboard.press('Enter');
    const second = page.locator('.assistant').nth(1);
    await second.locator('.notes').waitFor();
    assert.ok((await second.locator('.text').innerText()).length > 0);
    assert.match(
      await second.locator('.notes').innerText(),
      /tokens\/s · \d+ tokens? · first after \d+\.\d s/,
    );
    assert.match(await page.locator('#rate').innerText(), /tokens\/s$/);
    await shoot(page, 'chat');

    await page.getByRole('button', { name: 'New chat' }).click();
    assert.equal(await page.locator('.messages li').count(), 0);
    assert.ok(await page.locator('#empty').isVisible());
    assert.deepEqual(complaints, []);
    await close();
  });

  test('cancels a load and loads after it', async () => {
    const { page, complaints, close } = await site.open();
    await page.getByRole('radio', { name: 'SmolLM2' }).check();
    await page.getByRole('button', { name: 'Load model' }).click();
    await page.waitForFunction(() => document.querySelector('#progress').value > 0.1);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.locator('#load-card').waitFor({ state: 'visible' });
    await loadListed(page, 'SmolLM2');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('tells which model is on the device, and removes it', async () => {
    const { page, complaints, close } = await site.open();
    await loadListed(page, 'SmolLM2');
    await page.reload();
    const model = page.locator('.model', { hasText: 'SmolLM2' });
    await model.getByText('on this device').waitFor();
    await checkLayout(page);
    await shoot(page, 'welcome-stored');
    await model
      .getByRole('button', { name: 'Remove SmolLM2 135M Instruct from this device' })
      .click();
    await page.waitForFunction(() => !document.querySelector('.model strong'));
    assert.deepEqual(
      await page.evaluate(async () => (await import('/lib/siskin.js')).models.list()),
      [],
    );
    assert.deepEqual(complaints, []);
    await close();
  });

  test('works with the keyboard alone and tells a screen reader', async () => {
    const { page, complaints, close } = await site.open();
    await page.evaluate(() => {
      window.said = [];
      const announcer = document.querySelector('#announcer');
      new MutationObserver(() => window.said.push(announcer.textContent)).observe(announcer, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
    const focused = () =>
      page.evaluate(() => document.activeElement.id || document.activeElement.value);
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'skip');
    assert.ok(
      await page.locator('#skip').evaluate((link) => link.getBoundingClientRect().top >= 0),
      'the skip link shows itself',
    );
    while (!(await page.evaluate(() => document.activeElement.name === 'model')))
      await page.keyboard.press('Tab');
    while (!(await focused()).startsWith('smollm2')) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.locator('#prompt').waitFor({ state: 'visible' });
    assert.equal(await focused(), 'prompt', 'the message box has the focus');

    await page.keyboard.type('One line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type(LONG);
    assert.equal(await page.locator('#prompt').inputValue(), `One line\n${LONG}`);
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () => document.querySelector('.assistant.writing .text')?.textContent.length > 10,
    );
    const before_end = await page.evaluate(() => window.said.length);
    await page.keyboard.press('Escape');
    await page.locator('.assistant:not(.writing)').waitFor();
    assert.equal(await focused(), 'prompt');
    const said = await page.evaluate(() => window.said);
    assert.equal(said[before_end - 1], 'Writing an answer.', 'tokens are not read out one by one');
    assert.equal(said.at(-1), 'Stopped.');

    await page.locator('#settings-button').focus();
    await page.keyboard.press('Enter');
    assert.ok(await page.locator('#settings').isVisible());
    await page.locator('#temperature').focus();
    await page.keyboard.press('Home');
    assert.equal(await page.locator('#temperature-value').innerText(), '0');
    await page.keyboard.press('Escape');
    assert.ok(!(await page.locator('#settings').isVisible()));
    assert.equal(await focused(), 'settings-button', 'the focus goes back');

    await page.locator('#prompt').focus();
    await page.keyboard.type('Say hello.');
    await page.keyboard.press('Enter');
    await page.locator('.assistant').nth(1).locator('.notes').waitFor();
    const answer = await page.locator('.assistant').nth(1).locator('.text').innerText();
    const last = await page.evaluate(() => window.said.at(-1));
    assert.equal(
      last.replace(/\W+/g, ' ').trim().slice(0, 20),
      answer.replace(/\W+/g, ' ').trim().slice(0, 20),
      'the whole answer is read out once',
    );
    assert.deepEqual(complaints, []);
    await close();
  });

  for (const [name, options] of [
    [
      'phone',
      {
        viewport: { width: 360, height: 740 },
        isMobile: true,
        hasTouch: true,
        deviceScaleFactor: 2,
      },
    ],
    ['dark', { colorScheme: 'dark' }],
  ]) {
    test(`fits: ${name}`, async () => {
      const { page, complaints, close } = await site.open(options);
      await shoot(page, `${name}-welcome`);
      await checkLayout(page);
      await loadListed(page, 'SmolLM2');
      await checkLayout(page);
      await page.locator('#prompt').fill('Write a list of three fruits.');
      await page.keyboard.press('Enter');
      await page.locator('.assistant .notes').waitFor();
      await shoot(page, `${name}-chat`);
      await checkLayout(page);
      await page.getByRole('button', { name: 'Settings' }).click();
      await shoot(page, `${name}-settings`);
      await checkLayout(page);
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('the theme button wins over the system and is remembered', async () => {
    const { page, close } = await site.open({ colorScheme: 'light' });
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await back();
    await page.getByRole('button', { name: 'Dark theme' }).click();
    const dark = await back();
    assert.notEqual(dark, light);
    await page.reload();
    assert.equal(await back(), dark);
    await close();
  });

  test('what a model writes never becomes markup', async () => {
    const { page, complaints, close } = await site.open();
    const shown = await page.evaluate(async () => {
      const { render } = await import('/markdown.js');
      const box = document.createElement('div');
      const evil =
        '<img src=x onerror="window.hit = 1"> **<b>bold</b>**\n\n' +
        '- `<script>window.hit = 1</script>`\n\n' +
        '```html\n<iframe srcdoc="x"></iframe>\n```\n[link](javascript:hit)';
      document.body.append(box);
      render(box, evil, () => document.createElement('button'));
      return {
        tags: [...box.querySelectorAll('*')].map((node) => node.localName),
        text: box.textContent,
        hit: window.hit,
      };
    });
    assert.equal(shown.hit, undefined);
    assert.deepEqual([...new Set(shown.tags)].sort(), [
      'button',
      'code',
      'figcaption',
      'figure',
      'li',
      'p',
      'pre',
      'span',
      'strong',
      'ul',
    ]);
    assert.match(shown.text, /<img src=x onerror="window.hit = 1">/);
    assert.deepEqual(complaints, []);
    await close();
  });
});

/**
 * Checks that nothing overflows sideways, and that every control has a name and is large enough for
 * a finger.
 */
async function checkLayout(page) {
  const faults = await page.evaluate(() => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth)
      found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const control of document.querySelectorAll('button, input, textarea, select, progress')) {
      if (!control.checkVisibility()) continue;
      const box = control.getBoundingClientRect();
      const name =
        control.getAttribute('aria-label') ||
        control.textContent.trim() ||
        control.labels?.[0]?.textContent.trim();
      const described = `${control.localName}#${control.id} "${name}"`;
      if (!name) found.push(`${described} has no name`);
      if (box.left < -0.5 || box.right > innerWidth + 0.5)
        found.push(`${described} sticks out: ${box.left} to ${box.right}`);
      const in_text = control.matches('.link, input[type=radio], input[type=range]');
      if (control.localName === 'button' && !in_text && box.height < 32)
        found.push(`${described} is ${box.height} px high`);
    }
    return found;
  });
  assert.deepEqual(faults, []);
}
