// These tests visit a plain static host first with the network and then without it.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';
import { SMOLLM2, openChromium } from './helpers/harness.mjs';
import {
  MODEL_PATH,
  NEED_SITE,
  eventually,
  makeSite,
  publish,
  removeSite,
  servePlainly,
} from './helpers/site.mjs';

/** Loads the model in the demo and asks it; runs in the page of either browser. */
async function chat() {
  const until = async (check) => {
    for (
      const end_ms = performance.now() + 60_000;
      performance.now() < end_ms;
      await new Promise((resolve) => setTimeout(resolve, 50))
    )
      if (check()) return;
    throw new Error(`${check} did not come true: ${document.body.innerText}`);
  };
  const byId = (id) => document.getElementById(id);
  await until(() => document.querySelector('input[name=model]'));
  // A second visit goes on with the model of the first, unasked.
  if (!localStorage.getItem('siskin.model')) byId('load-button').click();
  await until(() => document.body.dataset.state === 'ready');
  byId('new-chat').click();
  await until(() => !document.querySelector('.assistant'));
  byId('prompt').value = 'What is the capital of France?';
  byId('prompt').dispatchEvent(new Event('input'));
  byId('composer').requestSubmit();
  await until(() => document.querySelector('.assistant .notes'));
  return {
    text: document.querySelector('.assistant .text').textContent,
    where: byId('where').textContent,
  };
}

const loads = (host) => host.requests.filter((path) => path === '/demo/').length;

/**
 * Waits for the reloads that a first visit causes, until the page is isolated. Nothing is evaluated
 * before them: that would count as the visitor's activity, which prevents a reload. The host may
 * have been asked for the last document while the one before is still there: only isolation tells
 * them apart.
 */
async function reloaded(page, host, count = 1) {
  await eventually(() => loads(host) === 1 + count, 'the reload');
  const check = () =>
    document.readyState === 'complete' &&
    crossOriginIsolated &&
    performance.getEntriesByType('navigation')[0].type === 'reload';
  await eventually(() => page.evaluate(check).catch(() => false), 'the isolated page after it');
}

const shellKept = (page) =>
  eventually(
    () =>
      page.evaluate(async () => (await (await import('/lib/siskin.js')).offline.status()).version),
    "the site's files on the disk",
  );

describe(
  'a host that is a folder',
  { skip: cannotRunFirefox(SMOLLM2, NEED_SITE), timeout: 180_000 },
  () => {
    let folder;
    before(async () => (folder = await makeSite()));
    after(() => folder && removeSite(folder));

    const browsers = { Chromium: openChromium, Firefox: openFirefox };
    for (const [name, open] of Object.entries(browsers)) {
      test(`${name}: threads after one reload, a second visit without network`, async (t) => {
        const host = await servePlainly(folder);
        const { page, complaints, stop } = await open(`${host.url}/demo/`);
        try {
          await reloaded(page, host);
          assert.ok(await page.evaluate(() => crossOriginIsolated), 'isolated by sw.js');
          const first = await page.evaluate(chat);
          assert.match(first.where, /· [2-9]\d* threads$/);
          assert.ok(first.text.length > 0);
          await shellKept(page);
          assert.equal(loads(host), 2, 'one reload and no more');
          assert.equal(host.requests.filter((path) => path === MODEL_PATH).length, 1);

          await host.stop();
          const start_ms = Date.now();
          await page.reload();
          const second = await page.evaluate(chat);
          t.diagnostic(
            `${name} without a network: loaded and answered in ${Date.now() - start_ms} ms, ` +
              `${second.where}`,
          );
          assert.match(second.where, /· [2-9]\d* threads$/);
          assert.ok(second.text.length > 0);
          assert.deepEqual(complaints, []);
        } finally {
          await stop();
          await host.stop();
        }
      });
    }

    test('a browser without credentialless is isolated after a second reload', async () => {
      // Without a list of files every load is sent to the host, and can be counted.
      await rm(join(folder, 'shell.json'));
      const host = await servePlainly(folder);
      const { page, stop } = await openFirefox(`${host.url}/demo/`, {
        prefs: { 'browser.tabs.remote.coep.credentialless': false },
      });
      try {
        await reloaded(page, host, 2);
        assert.ok(await page.evaluate(() => crossOriginIsolated));
        await page.reload();
        assert.ok(await page.evaluate(() => crossOriginIsolated), 'and is so from then on');
        assert.equal(loads(host), 4, 'one that was asked for');
      } finally {
        await stop();
        await host.stop();
        await publish(folder, 1);
      }
    });

    test('Firefox tells nothing of the connection: precaching waits for a yes', async () => {
      const host = await servePlainly(folder);
      const { page, stop } = await openFirefox(`${host.url}/app/`);
      try {
        const paused = await page.evaluate(async (path) => {
          await offline.register({ url: '../sw.js' });
          const paused = new Promise((resolve) => {
            const onProgress = (progress) => progress.paused && resolve(progress.paused);
            offline.precache([path], { onProgress });
          });
          return [await paused, crossOriginIsolated, (await offline.status()).precache.length];
        }, MODEL_PATH);
        assert.deepEqual(paused, ['unknown_connection', false, 1]);
        assert.ok(!host.requests.includes(MODEL_PATH), 'nothing was fetched');
        await page.evaluate(
          (path) => offline.precache([path], { anyConnection: true }),
          MODEL_PATH,
        );
        await eventually(
          () => page.evaluate(async (path) => models.has(path), MODEL_PATH),
          'the model',
        );
      } finally {
        await stop();
        await host.stop();
      }
    });

    test('without a service worker everything works, on one thread', async () => {
      const host = await servePlainly(folder);
      const { page, stop } = await openChromium(`${host.url}/demo/`, { serviceWorkers: 'block' });
      try {
        const { text, where } = await page.evaluate(chat);
        assert.match(where, /· 1 thread$/);
        assert.ok(text.length > 0);
      } finally {
        await stop();
        await host.stop();
      }
    });

    test("the page reaches its own host only; isolated pages show others' images", async () => {
      const host = await servePlainly(folder);
      const other = createServer((_request, response) =>
        response
          .writeHead(200, { 'Content-Type': 'image/svg+xml' })
          .end('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'),
      );
      await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
      const other_url = `http://127.0.0.1:${other.address().port}/`;
      const { page, stop } = await openChromium(`${host.url}/demo/`);
      try {
        await reloaded(page, host);
        const blocked = await page.evaluate(async (url) => {
          const blocked = [];
          document.addEventListener(
            'securitypolicyviolation',
            ({ effectiveDirective, blockedURI }) =>
              blocked.push(`${effectiveDirective} ${blockedURI}`),
          );
          const failed = await fetch(url).then(
            () => 'reached',
            () => 'failed',
          );
          // The import runs in a task of its own, because the debugger's task may evaluate.
          const evaluated = await new Promise((resolve) => {
            setTimeout(() => {
              try {
                resolve(new Function('return "evaluated"')());
              } catch {
                resolve('refused');
              }
            });
          });
          await new Promise((resolve) => setTimeout(resolve, 100));
          return { blocked, failed, evaluated };
        }, other_url);
        assert.deepEqual(blocked, {
          blocked: [`connect-src ${other_url}`, 'script-src eval'],
          failed: 'failed',
          evaluated: 'refused',
        });

        await page.goto(`${host.url}/app/`);
        const shown = await page.evaluate(async (url) => {
          const image = new Image();
          image.src = url;
          await image.decode();
          return { isolated: crossOriginIsolated, width: image.naturalWidth };
        }, other_url);
        assert.deepEqual(shown, { isolated: true, width: 1 });
      } finally {
        await stop();
        await host.stop();
        other.close();
      }
    });
  },
);
