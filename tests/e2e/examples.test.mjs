// The examples, as a reader of them would try them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRun, openChromium } from './helpers/harness.mjs';

describe('the plain page', { skip: cannotRun(SMOLLM2), timeout: 180_000 }, () => {
  let server;
  before(async () => {
    server = await startServer({
      routes: {
        '/': join(ROOT, 'examples/plain_page'),
        '/siskin/': join(ROOT, 'pkg/dist'),
        '/models/model.gguf': join(MODELS_DIR, SMOLLM2),
      },
    });
  });
  after(() => server?.close());

  test('answers a question', async (t) => {
    const { page, complaints, stop } = await openChromium(server.url);
    t.after(stop);
    await page.getByRole('button', { name: 'Ask' }).and(page.locator(':enabled')).waitFor();
    assert.match(await page.getByRole('status').innerText(), /^Ready/);
    await page.getByLabel('Your question').fill('What is the capital of France?');
    await page.getByRole('button', { name: 'Ask' }).click();
    await page.locator('#answer', { hasText: /\w/ }).waitFor();
    await page.getByRole('button', { name: 'Ask' }).and(page.locator(':enabled')).waitFor();
    assert.ok((await page.locator('#answer').innerText()).length > 3);
    assert.deepEqual(complaints, []);
  });

  test('says what went wrong', async (t) => {
    const { page, stop } = await openChromium('about:blank');
    t.after(stop);
    await page
      .context()
      .route('**/models/model.gguf', (route) => route.fulfill({ status: 404, body: '' }));
    await page.goto(server.url);
    await page.locator('#status', { hasText: '(http_status)' }).waitFor();
  });
});
