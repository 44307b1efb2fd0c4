// These tests use the built-in AI interfaces in a page, over a tiny model whose tokens are bytes,
// in Chromium and Firefox.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { ROOT, cannotRun, openChromium } from './helpers/harness.mjs';
import { cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';

const ROUTES = {
  '/favicon.ico': join(ROOT, 'www/demo/logo.svg'),
  '/tiny.gguf': join(ROOT, 'tests/fixtures/models/chat-tiny.gguf'),
  '/builtin_ai.js': join(ROOT, 'tests/e2e/pages/builtin_ai.js'),
  '/builtin_ai': (_request, response) =>
    response
      .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
      .end('<!doctype html><title>AI</title><script type="module" src="/builtin_ai.js"></script>'),
};

/** Returns what ChatML makes of messages, and of the beginning of an answer. */
const chatMl = (...messages) =>
  messages.reduce((sum, [role, text]) => sum + `x${role}\n${text}x\n`.length, 0) +
  'xassistant\n'.length;

for (const [browser, skip, open] of [
  ['Chromium', cannotRun(), openChromium],
  ['Firefox', cannotRunFirefox(), openFirefox],
])
  describe(`siskin/builtin-ai in ${browser}`, { skip, timeout: 60_000 }, () => {
    let server;
    let opened;
    let page;
    before(async () => {
      server = await startServer({ port: 0, routes: ROUTES });
      opened = await open(`${server.url}/builtin_ai`);
      page = opened.page;
      await page.waitForFunction(() => window.early !== undefined);
    });
    after(async () => {
      await opened?.stop();
      await server?.close();
    });

    test('a download waits for a click, and is told of', async () => {
      assert.deepEqual(await page.evaluate(() => window.early), [
        'downloadable',
        'NotAllowedError',
        'NotAllowedError',
      ]);
      await page.mouse.click(5, 5);
      const { progress, during, after } = await page.evaluate(async () => {
        const progress = [];
        const created = LanguageModel.create({
          monitor: (monitor) => {
            monitor.ondownloadprogress = (event) => {
              progress.push([event.constructor.name, event.loaded, event.total]);
            };
          },
        });
        while (progress.length === 0) await new Promise((done) => setTimeout(done, 1));
        const during = await LanguageModel.availability();
        (await created).destroy();
        // Another engine finds what this one has stored.
        const { createBuiltinAi } = await import('/lib/builtin_ai.js');
        const other = createBuiltinAi({ model: '/tiny.gguf', languages: ['en', 'de'] });
        const after = await Promise.all([
          LanguageModel.availability(),
          other.Writer.availability({ outputLanguage: 'de-AT' }),
          other.Writer.availability({ outputLanguage: 'fr' }),
        ]);
        return { progress, during, after };
      });
      assert.deepEqual(progress[0], ['ProgressEvent', 0, 1]);
      assert.deepEqual(progress.at(-1), ['ProgressEvent', 1, 1]);
      assert.match(during, /^(downloading|available)$/);
      assert.deepEqual(after, ['available', 'available', 'unavailable']);
    });

    test('prompts are answered, and every token is counted', async () => {
      const { usages, pieces, text, whole, window } = await page.evaluate(async () => {
        const session = await LanguageModel.create({
          initialPrompts: [{ role: 'system', content: 'Be short.' }],
        });
        const usages = [
          session.contextUsage,
          await session.measureContextUsage([{ role: 'system', content: 'Be short.' }]),
        ];
        const stop = new AbortController();
        const pieces = [];
        const read = (async () => {
          for await (const piece of session.promptStreaming('Hi', { signal: stop.signal }))
            if (pieces.push(piece) === 1) stop.abort();
        })();
        usages.push(await read.catch(({ name }) => name), session.contextUsage);
        await session.append([{ role: 'user', content: 'One.' }]);
        usages.push(session.contextUsage);
        const copy = await session.clone();
        const text = await session.prompt('Two.').catch(String);
        session.destroy();
        const window = copy.contextWindow;
        return { usages, pieces, text, whole: copy.contextUsage, window };
      });
      const system = ['system', 'Be short.'];
      const begun = chatMl(system);
      const appended = chatMl(system, ['user', 'One.']);
      assert.deepEqual(usages, [begun, begun, 'AbortError', begun, appended]);
      assert.equal(pieces.length >= 1, true);
      assert.equal(typeof text, 'string');
      assert.deepEqual([whole, window], [appended, 512]);
    });

    test('the oldest turns are dropped, and the browser says so', async () => {
      const result = await page.evaluate(async () => {
        const system = { role: 'system', content: 'S' };
        const session = await LanguageModel.create({ initialPrompts: [system] });
        const events = [];
        session.oncontextoverflow = ({ type }) => events.push(type);
        for (const letter of 'abc')
          await session.append([{ role: 'user', content: letter.repeat(180) }]);
        const usage = session.contextUsage;
        const error = await session.prompt('x'.repeat(600)).catch((error) => error);
        return {
          events,
          usage,
          kept: session.contextUsage,
          error: [error.name, error.constructor === QuotaExceededError, error.quota],
          is_more: error.requested > error.quota,
          is_exception: error instanceof DOMException,
        };
      });
      const messages = [
        ['system', 'S'],
        ['user', 'b'.repeat(180)],
        ['user', 'c'.repeat(180)],
      ];
      assert.deepEqual(result, {
        events: ['contextoverflow'],
        usage: chatMl(...messages),
        kept: chatMl(...messages),
        error: ['QuotaExceededError', true, 512],
        is_more: true,
        is_exception: true,
      });
    });

    test('texts are written, translated and detected', async () => {
      const result = await page.evaluate(async () => {
        const writer = await Writer.create({ tone: 'formal' });
        const usage = await writer.measureInputUsage('Hi.');
        const stop = new AbortController();
        const writing = writer.writeStreaming('Hi.', { signal: stop.signal });
        const reader = writing.getReader();
        const first = await reader.read();
        stop.abort(new Error('enough'));
        const end = await reader.read().catch(({ message }) => message);
        const translator = await Translator.create({
          sourceLanguage: 'en',
          targetLanguage: 'en-GB',
        });
        const detector = await LanguageDetector.create();
        const [best] = await detector.detect('Where did you put the keys?');
        return {
          tone: writer.tone,
          fits: usage > 0 && usage < writer.inputQuota,
          first: typeof first.value,
          end,
          same: await translator.translate('colour'),
          best: best.detectedLanguage,
          proofreader: await Proofreader.availability(),
        };
      });
      assert.deepEqual(result, {
        tone: 'formal',
        fits: true,
        first: 'string',
        end: 'enough',
        same: 'colour',
        best: 'en',
        proofreader: 'available',
      });
    });

    test('the interfaces can be removed, and are shaped as the browser has its own', async () => {
      const { left, different, compared } = await page.evaluate(() => {
        const names = ['LanguageModel', 'Rewriter', 'Writer', 'Summarizer', 'Translator'];
        names.push('LanguageDetector', 'CreateMonitor');
        const ours = names.map((name) => [name, window[name]]);
        window.uninstall();
        const left = ours.filter(([name, value]) => window[name] === value);
        const own = ours.filter(([name]) => name in window);
        /** Describes a member: what it is, and how many arguments a method needs. */
        const describe = (holder, member) => {
          const found = Object.getOwnPropertyDescriptor(holder, member);
          if (!found) return 'absent';
          const { value, set, enumerable, configurable } = found;
          const kind = value ? `method of ${value.length}` : set ? 'attribute' : 'readonly';
          return JSON.stringify([kind, enumerable, configurable]);
        };
        const different = own.flatMap(([name, mine]) =>
          [
            [window[name], mine],
            [window[name].prototype, mine.prototype],
          ].flatMap(([theirs, ours]) =>
            Object.keys(theirs)
              .filter((member) => describe(theirs, member) !== describe(ours, member))
              .map((member) => `${name}.${member}: ${describe(ours, member)}`),
          ),
        );
        const global = (name) => Object.getPrototypeOf(window[name].prototype);
        for (const [name, mine] of own)
          if (global(name) !== Object.getPrototypeOf(mine.prototype)) different.push(name);
        return { left, different, compared: own.length };
      });
      assert.deepEqual(left, []);
      assert.deepEqual(different, []);
      // Firefox has none, and Chromium those that need no flag.
      if (browser === 'Chromium') assert.ok(compared >= 4, `${compared}`);
      assert.deepEqual(opened.complaints, []);
    });
  });
