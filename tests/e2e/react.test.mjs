// These tests mount components that use the hooks, in StrictMode, which mounts each twice.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchChromium } from '../../scripts/chromium.mjs';
import { startServer } from '../../scripts/serve.mjs';
import { SMOLLM2, cannotRun, workerCount, workersLeft } from './helpers/harness.mjs';
import { NEED_REACT, REACT_ROUTES } from './helpers/react.mjs';
import { eventually } from './helpers/site.mjs';

const MODEL = `/models/${SMOLLM2}`;

describe('siskin/react', { skip: cannotRun(SMOLLM2, NEED_REACT), timeout: 120_000 }, () => {
  let server;
  let browser;
  let page;
  const complaints = [];
  before(async () => {
    server = await startServer({ port: 0, routes: REACT_ROUTES });
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(`${server.url}/react`);
    await page.evaluate(async () => {
      const react = await import('react');
      const { createElement, StrictMode, createRoot } = react;
      const { useSiskin, useCompletion } = await import('/lib/react.js');
      const seen = (window.seen = []);
      function App({ source, temperature }) {
        const { siskin, status, progress, error } = useSiskin(source, {
          contextTokens: 512,
          threads: 1,
          onProgress: () => {},
        });
        const answer = useCompletion({
          siskin,
          temperature,
          max_tokens: 60,
          onFinish: (text) => seen.push(text),
          onError: ({ code }) => seen.push(code),
        });
        window.state = {
          siskin,
          status,
          progress,
          error,
          ...answer,
          status_of_model: status,
          load_error: error,
          load_progress: progress,
        };
        return createElement('p', null, answer.completion);
      }
      function Sourced({ source }) {
        window.state = useCompletion({ source, temperature: 0, max_tokens: 5 });
        return createElement('p', null, window.state.completion);
      }
      let root;
      window.show = (props, component = 'App') => {
        root ??= createRoot(document.querySelector('#root'));
        const Component = component === 'App' ? App : Sourced;
        root.render(createElement(StrictMode, null, createElement(Component, props)));
      };
      window.hide = () => {
        root.unmount();
        root = undefined;
      };
    });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const show = (...props) => page.evaluate((props) => window.show(...props), props);
  const state = (name) => page.evaluate((name) => window.state[name], name);
  const reaches = (status) =>
    eventually(async () => (await state('status_of_model')) === status, status);

  test('StrictMode loads one engine, with progress', async () => {
    await show({ source: MODEL, temperature: 0 });
    await reaches('loading');
    assert.equal(await workerCount(page), 1);
    await reaches('ready');
    assert.equal(await workerCount(page), 1);
    assert.equal((await state('load_progress')).loaded_bytes, 98_362_432);
    assert.equal(await page.evaluate(() => window.state.siskin.info.context_tokens), 512);
  });

  test('an answer is shown as it is written, and the chat goes on', async () => {
    const texts = page.evaluate(async () => {
      const texts = new Set();
      const done = window.state.complete('Name three birds.');
      let over = false;
      done.finally(() => (over = true));
      while (!over) {
        await new Promise(requestAnimationFrame);
        texts.add(document.querySelector('p').textContent);
      }
      return [await done, ...texts];
    });
    const [whole, ...shown] = await texts;
    assert.ok(shown.length > 5, `${shown.length} states`);
    assert.ok(shown.every((text) => whole.startsWith(text)));
    await eventually(async () => !(await state('isLoading')), 'the end');
    assert.equal(await state('completion'), whole);
    assert.deepEqual(await state('messages'), [
      { role: 'user', content: 'Name three birds.' },
      { role: 'assistant', content: whole },
    ]);
    assert.equal(await page.evaluate(() => window.seen.at(-1)), whole);
    const next = await page.evaluate(() =>
      window.state.complete([...window.state.messages, { role: 'user', content: 'Why?' }]),
    );
    assert.ok(next.length > 0);
    await eventually(async () => (await state('messages')).length === 4, 'four messages');
  });

  test('an answer can be stopped, and is stopped by the next', async () => {
    const { stopped, replaced, text } = await page.evaluate(async () => {
      const writing = async () => {
        while (!window.state.isLoading || !window.state.completion)
          await new Promise(requestAnimationFrame);
      };
      const first = window.state.complete('Tell a story.');
      await writing();
      window.state.stop();
      const stopped = await first;
      const second = window.state.complete('Tell a story.');
      await writing();
      const third = window.state.complete('Name a colour.');
      return { stopped, replaced: await second, text: await third };
    });
    assert.deepEqual([stopped, replaced], [undefined, undefined]);
    await eventually(async () => !(await state('isLoading')), 'the end');
    assert.equal(await state('completion'), text);
    assert.equal(await state('error'), undefined);
  });

  test('errors are states, of the answer and of the loading', async () => {
    await show({ source: MODEL, temperature: 9 });
    await eventually(async () => (await state('status_of_model')) === 'ready', 'ready');
    await page.evaluate(() => new Promise(requestAnimationFrame));
    await page.evaluate(() => window.state.complete('Hello'));
    await eventually(() => page.evaluate(() => window.state.error?.code), 'the error');
    assert.equal(await page.evaluate(() => window.seen.at(-1)), 'invalid_argument');
    await show({ source: '/none.gguf', temperature: 0 });
    await reaches('error');
    assert.equal(await page.evaluate(() => window.state.load_error.code), 'http_status');
    assert.equal(await workersLeft(page, 0), 0, 'the model of another source is let go of');
    await show({ source: null });
    await reaches('idle');
  });

  test('what is unmounted is let go of', async () => {
    await show({ source: MODEL });
    await reaches('ready');
    await page.evaluate(() => {
      window.last = window.state;
      window.answer = window.state.complete('Tell a story.');
      window.hide();
    });
    assert.equal(await page.evaluate(() => window.answer), undefined);
    assert.equal(await workersLeft(page, 0), 0);
    // While it still loads, too.
    await show({ source: `${MODEL}?other` });
    await page.evaluate(() => window.hide());
    assert.equal(await workersLeft(page, 0), 0);
  });

  test('useCompletion loads a model itself, and waits for it', async () => {
    await show({ source: MODEL }, 'Sourced');
    await eventually(async () => (await state('status')) === 'loading', 'loading');
    const text = await page.evaluate(() => window.state.complete('Hello'));
    assert.ok(text.length > 0);
    await page.evaluate(() => window.hide());
    assert.equal(await workersLeft(page, 0), 0);
    assert.deepEqual(
      complaints.filter((text) => !text.includes('404')),
      [],
    );
  });
});
