// These tests let Chrome's own model (a fake of it) and a server answer the card in the engine's
// place. There is no model on the computer.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  RIGHT,
  WRONG,
  act,
  clickCard,
  controlOf,
  isDone,
  openFields,
  waitForCard,
} from './helpers/assistant.mjs';
import { NEED_EXTENSION, startApi, writeSettings } from './helpers/extension.mjs';
import { cannotRunExtension, shoot } from './helpers/harness.mjs';

/** What both models make of these is no correction. */
const LIES = {
  'She have 3 cats and 12 dogs.': 'She has 3 cats and 21 dogs.',
  'There are two keys on the table.': 'There are three keys on the table.',
  'He go home, and she stays in the house.': 'He goes home.',
  'They is in the garden.': 'Sure! Here is the corrected text: They are in the garden.',
  'I love the cat in the house.': 'I hate the cat in the house.',
  'The weather is very nice today.': 'Das Wetter ist heute sehr schön.',
};
const HONEST = 'He have a dog.';
const CORRECTED = 'He has a dog.';

/** What both models answer. */
function answerTo(question) {
  const text = question.replace('Text:', '').trim();
  return LIES[text] ?? text.replace('have', 'has');
}

/** Chrome's own model, as far as the extension uses it. */
const FAKE = `const LIES = ${JSON.stringify(LIES)};
${answerTo}
globalThis.LanguageModel = {
  availability: async () => 'available',
  create: async () => ({
    async *promptStreaming([{ content }]) {
      yield* answerTo(content).split(/(?= )/);
    },
    destroy() {},
  }),
};\n`;

describe(
  'answers from elsewhere',
  { skip: cannotRunExtension(NEED_EXTENSION), timeout: 90_000 },
  () => {
    let api, context, open, close;
    before(async () => {
      api = await startApi((question) => [answerTo(question)]);
      ({ context, open, close } = await openFields({
        settings: { backend: 'chrome' },
        change: async (folder) => {
          const path = join(folder, 'extension/offscreen.js');
          await writeFile(path, FAKE + (await readFile(path, 'utf8')));
        },
      }));
    });
    after(async () => {
      await close?.();
      api?.close();
    });
    const isCorrected = (it) => it?.title === 'Correct' && isDone(it);
    const correct = async (notice) => {
      const { page, complaints } = await open();
      await page.locator('#area').fill(WRONG);
      await act(context, page, 'formal', 0);
      const formal = await waitForCard(page, isDone);
      assert.deepEqual([formal.deleted, formal.inserted], [['have'], ['has']]);
      assert.equal(formal.notice, notice);
      await clickCard(page, 'Correct');
      const card = await waitForCard(page, isCorrected);
      assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
      await shoot(page, `extension-elsewhere${notice ? '-server' : ''}`);
      await clickCard(page, /^Accept/);
      await page.waitForFunction((text) => area.value === text, RIGHT);
      assert.deepEqual(complaints, []);
      await page.close();
    };
    /** Lets a model lie about all sentences but the last. */
    const distrust = async () => {
      const { page, complaints } = await open();
      const lies = Object.keys(LIES).join(' ');
      await page.locator('#area').fill(`${lies} ${HONEST}`);
      await act(context, page, 'correct', 0);
      const card = await waitForCard(page, isCorrected);
      assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
      await clickCard(page, 'Accept');
      await page.waitForFunction((text) => area.value === text, `${lies} ${CORRECTED}`);
      assert.deepEqual(complaints, []);
      await page.close();
    };

    /** Lets a model lose a number in another wording. */
    const distrustWording = async () => {
      const { page, complaints } = await open();
      const [text] = Object.keys(LIES);
      await page.locator('#area').fill(text);
      await act(context, page, 'formal', 0);
      const card = await waitForCard(page, isDone);
      assert.match(card.status, /is not shown, for it left out or changed "12"/);
      assert.equal(card.text, '');
      const labels = ['Accept', 'Copy', 'Alternatives'].map((label) => controlOf(card, label));
      assert.deepEqual(labels.map(Boolean), [false, false, true]);
      await shoot(page, 'extension-refused');
      assert.equal(await page.locator('#area').inputValue(), text);
      assert.deepEqual(complaints, []);
      await page.close();
    };

    test("Chrome's own model answers the card, without a download", async () => {
      await correct(undefined);
      assert.deepEqual(api.sent, []);
    });

    test("Chrome's own model changes nothing where it lies", distrust);

    test("Chrome's own model loses no number in another wording", distrustWording);

    test('words of the personal dictionary stay as they are', async () => {
      await writeSettings(context, { dictionary: ['Have'] });
      const { page } = await open();
      await page.locator('#area').fill(WRONG);
      await act(context, page, 'correct', 0);
      await waitForCard(page, (it) => it?.status === 'No mistakes found.');
      await writeSettings(context, { dictionary: [] });
      await page.close();
    });

    test('Retry reads a text that has changed meanwhile', async () => {
      const { page, complaints } = await open();
      await page.locator('#area').fill(WRONG);
      await act(context, page, 'correct', 0);
      await waitForCard(page, isCorrected);
      await page.evaluate((text) => (area.value = text), `${HONEST} The cat is here.`);
      await clickCard(page, 'Accept');
      const refused = await waitForCard(page, (it) => /changed meanwhile/.test(it?.status ?? ''));
      assert.equal(refused.status, 'The text has changed meanwhile. Press Retry.');
      assert.equal(await page.locator('#area').inputValue(), `${HONEST} The cat is here.`);
      await shoot(page, 'extension-retry');
      await clickCard(page, 'Retry');
      const card = await waitForCard(page, (it) => it?.status === '' && isCorrected(it));
      assert.match(card.text, /^He havehas a dog/);
      await clickCard(page, 'Accept');
      await page.waitForFunction((text) => area.value === text, `${CORRECTED} The cat is here.`);
      assert.deepEqual(complaints, []);
      await page.close();
    });

    test('a server answers the card where it was turned on, which says so', async () => {
      const { host } = new URL(api.url);
      const fallback = {
        on: true,
        baseURL: api.url,
        model: 'm',
        apiKey: 'sk-test',
        until: 'cached',
      };
      await writeSettings(context, { backend: 'auto', fallback });
      const notice = `Your text is sent to ${host}.`;
      await correct(notice);
      assert.equal(api.sent[0].headers.authorization, 'Bearer sk-test');
      assert.match(api.sent[0].body.messages.at(-1).content, /She have two cats/);
    });

    test('a server changes nothing where it lies', async () => {
      const before = api.sent.length;
      await distrust();
      const asked = api.sent.slice(before).map(({ body }) => body.messages.at(-1).content);
      assert.deepEqual(asked, [...Object.keys(LIES), HONEST]);
    });

    test('a server loses no number in another wording, and is asked once more', async () => {
      const before = api.sent.length;
      await distrustWording();
      const asked = api.sent.slice(before).map(({ body }) => body.messages[0].content);
      assert.equal(asked.length, 2);
      assert.match(asked[1], /Keep these as they are: "3", "12"\.$/);
    });

    test('Retry asks again where the server failed', async () => {
      const { page } = await open();
      await page.locator('#area').fill(WRONG);
      api.failures = 100;
      await act(context, page, 'correct', 0);
      const failed = await waitForCard(page, (it) => it && controlOf(it, 'Retry'));
      assert.match(failed.status, /503/);
      assert.equal(controlOf(failed, 'Accept'), undefined);
      api.failures = 0;
      await clickCard(page, 'Retry');
      const card = await waitForCard(page, (it) => it?.status === '' && isDone(it));
      assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
      await clickCard(page, 'Accept');
      await page.waitForFunction((text) => area.value === text, RIGHT);
      await page.close();
    });

    test('a server that was turned off is asked nothing more, and there is no model yet', async () => {
      const before = api.sent.length;
      await writeSettings(context, { fallback: { on: false } });
      const { page } = await open();
      await page.locator('#area').fill(WRONG);
      await act(context, page, 'correct', 0);
      await waitForCard(page, (it) => /no model yet/.test(it?.status ?? ''));
      assert.equal(api.sent.length, before);
      await page.close();
    });
  },
);
