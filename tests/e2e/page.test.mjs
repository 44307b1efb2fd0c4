// These tests use the demo page as a person does.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MODELS_DIR, SMOLLM2, cannotRun, loadListed, shoot, start } from './helpers/harness.mjs';
import { checkAccess, checkLayout } from './helpers/page_checks.mjs';

const LONG = 'Tell me a long story about a small green bird.';

/** Serves the model at about 60 MB/s, or 20 as `?another`, so that its progress can be seen. */
async function slowModel(request, response) {
  const file = join(MODELS_DIR, SMOLLM2);
  response.writeHead(200, { 'Content-Length': (await stat(file)).size });
  for await (const chunk of createReadStream(file, { highWaterMark: 3e6 })) {
    if (response.destroyed) return;
    response.write(chunk);
    await sleep(request.url.endsWith('?another') ? 150 : 50);
  }
  response.end();
}

/** Asks and waits for the whole answer. */
async function ask(page, text) {
  const answers = await page.locator('.assistant').count();
  await page.locator('#prompt').fill(text);
  await page.keyboard.press('Enter');
  await page.locator('.assistant').nth(answers).locator('.notes').waitFor();
}

describe('the page', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  before(async () => {
    site = await start({
      [`/models/${SMOLLM2}`]: slowModel,
      '/models/zeros.gguf': (_request, response) => response.end(Buffer.alloc(40 << 20)),
    });
  });
  after(() => site?.stop());

  test('shows progress, streams, stops, starts again', async () => {
    const { page, complaints, close } = await site.open();
    await page.locator('#device li').nth(2).waitFor();
    const [threads, card, room] = await page.locator('#device li').allInnerTexts();
    assert.match(threads, /^\d+ threads?$/);
    assert.match(card, /^(no graphics card to use|graphics card .+)$/);
    assert.match(room, /^room for [\d.]+ [MG]B$/);
    const first = page.locator('.model').first();
    assert.match(
      await first.innerText(),
      /SmolLM2.*\n.*\n98 MB to download · about 200 MB of memory/,
    );
    assert.ok(await first.getByRole('radio').isChecked(), 'the small model is the first choice');
    assert.deepEqual(
      await page.evaluate(() =>
        performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.gguf')),
      ),
      [],
      'nothing large is fetched without a click',
    );
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
      /tokens\/s · \d+ tokens · stopped · SmolLM2 135M Instruct$/,
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
    await page.locator('#empty').waitFor();
    assert.equal(await page.locator('.messages li').count(), 0);
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

  test('a reload goes on with the model on the device and with the conversation', async () => {
    const { page, complaints, close } = await site.open();
    await loadListed(page, 'SmolLM2');
    await ask(page, 'Say hello.');
    const answer = await page.locator('.assistant .text').innerText();
    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    await page.reload();
    await page.locator('#prompt').waitFor();
    assert.equal(await page.locator('#model-name').innerText(), 'SmolLM2 135M Instruct');
    assert.equal(await page.locator('.assistant .text').innerText(), answer);
    assert.deepEqual(
      requests.filter((url) => url.endsWith('.gguf')),
      [],
    );
    await ask(page, 'And again.');
    assert.equal(await page.locator('.messages > li').count(), 4);

    await page.getByRole('button', { name: /^Change the model/ }).click();
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
    // What is no longer on the device is not fetched unasked.
    await page.reload();
    await page.locator('#device li').nth(2).waitFor();
    assert.ok(await page.locator('#load-card').isVisible());
    assert.deepEqual(
      requests.filter((url) => url.endsWith('.gguf')),
      [],
    );
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a model whose loading ended the page is not loaded unasked again', async () => {
    const { page, close } = await site.open();
    await loadListed(page, 'SmolLM2');
    // The mark is there as after a crash: the page had no time to take it away.
    await page.evaluate(() =>
      addEventListener('pagehide', () => localStorage.setItem('siskin.model.attempt', 'loading')),
    );
    await page.reload();
    await page.getByText('On this device', { exact: true }).waitFor();
    assert.ok(await page.getByRole('radio', { name: 'SmolLM2' }).isChecked());
    assert.ok(await page.locator('#load-card').isVisible());
    await page.reload();
    await page.locator('#prompt').waitFor();
    await close();
  });

  test('an address with a typo costs neither the model nor the chat', async () => {
    const { page, close } = await site.open();
    await loadListed(page, 'SmolLM2');
    await ask(page, 'Say hello.');
    // The stored models are listed while an address is typed: the focus stays where it is.
    await page.evaluate(() => {
      const { entries } = FileSystemDirectoryHandle.prototype;
      FileSystemDirectoryHandle.prototype.entries = async function* () {
        await new Promise((resolve) => setTimeout(resolve, 200));
        yield* entries.call(this);
      };
    });
    for (const [path, code] of [
      ['/models/typo.gguf', 'http_status'],
      ['/index.html', 'html_not_model'],
      ['/lib/siskin.js', 'not_gguf'],
      ['/models/zeros.gguf', 'not_gguf'],
    ]) {
      await page.getByRole('button', { name: /^Change the model/ }).click();
      await page.locator('#url-input').fill(`${site.url}${path}`);
      await sleep(400);
      await page.keyboard.press('Enter');
      await page.locator('#load-error').waitFor();
      assert.equal(await page.locator('#load-error-code').innerText(), code);
      await page.locator('#load-error').getByRole('button', { name: 'Back to the chat' }).click();
      assert.equal(await page.locator('.messages > li').count(), 2);
    }
    await ask(page, 'Go on.');
    assert.equal(await page.locator('.messages > li').count(), 4);
    await close();
  });

  test('a conversation goes on with another model', async () => {
    const { page, complaints, close } = await site.open();
    await loadListed(page, 'SmolLM2');
    await ask(page, 'My name is Ada.');
    await page.getByRole('button', { name: /^Change the model/ }).click();
    await page.locator('#url-input').fill(`${site.url}/models/${SMOLLM2}?another`);
    await page.keyboard.press('Enter');
    const engines = () => page.workers().filter((worker) => worker.url().endsWith('/worker.js'));
    await page.waitForFunction(() => document.querySelector('#progress').value > 0.1);
    assert.equal(engines().length, 2, 'the old model is kept while the new one begins');
    await page.waitForFunction(() => document.querySelector('#progress').value > 0.9);
    assert.equal(engines().length, 1, 'two whole models are never in memory');
    await page.locator('#prompt').waitFor();
    assert.match(await page.locator('#model-name').innerText(), /^Smollm2 135M 8k/);
    assert.equal(await page.locator('.messages > li').count(), 2);
    await ask(page, 'What is my name?');
    assert.match(await page.locator('.notes').last().innerText(), /Smollm2 135M 8k/);
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
    assert.match(await focused(), /^model-/);
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

    await checkAccess(page);
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
    ['desktop', {}],
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
      const check = async (state) => {
        await shoot(page, `${name}-${state}`);
        await checkLayout(page);
        await checkAccess(page);
      };
      await page.locator('#device li').nth(2).waitFor();
      await check('welcome');
      await loadListed(page, 'SmolLM2');
      await check('empty');
      await ask(page, 'Write a list of three fruits.');
      await check('chat');
      const chats = page.getByRole('button', { name: 'Chats', exact: true });
      if ((await chats.getAttribute('aria-expanded')) === 'false') await chats.click();
      await check('history');
      if (name === 'phone') await page.keyboard.press('Escape');
      for (const button of ['Settings', 'Code']) {
        await page.getByRole('button', { name: button, exact: true }).click();
        await check(button.toLowerCase());
        await page.keyboard.press('Escape');
      }
      await page.getByRole('tab', { name: 'Classify' }).click();
      await page.getByRole('button', { name: 'Classify', exact: true }).click();
      await page.locator('.shares').waitFor();
      await check('classify');
      await page.getByRole('tab', { name: 'Extract' }).click();
      await page.getByRole('button', { name: 'Extract', exact: true }).click();
      await page.locator('.facts').waitFor();
      await check('extract');
      await page.getByRole('tab', { name: 'Receipt' }).click();
      await page.getByRole('button', { name: 'Read receipt' }).click();
      await page.locator('#receipt .facts').waitFor();
      await check('receipt');
      await page.getByRole('button', { name: /^Change the model/ }).click();
      await page.locator('#url-input').fill(`${site.url}/models/typo.gguf`);
      await page.keyboard.press('Enter');
      await page.locator('#load-error').waitFor();
      await check('error');
      // The browser itself reports the 404.
      assert.deepEqual(
        complaints.filter((text) => !text.includes('404')),
        [],
      );
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
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByLabel('Colours').selectOption('system');
    assert.equal(await back(), light);
    await page.emulateMedia({ colorScheme: 'dark' });
    // The system may change its theme meanwhile.
    await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
    assert.equal(await back(), dark);
    await close();
  });

  test('the page that measures is as accessible', async () => {
    const { page, close } = await site.open();
    await page.getByRole('link', { name: 'How fast is it here?' }).click();
    await page.locator('input[name=model]').first().waitFor();
    await checkLayout(page);
    await checkAccess(page);
    await close();
  });
});
