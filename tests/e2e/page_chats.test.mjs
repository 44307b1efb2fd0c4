// These tests use what the demo page has besides a first answer: conversations that are kept,
// messages that are changed, files, the tasks, and the code for what is on the screen.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { clickCard, waitForCard } from './helpers/assistant.mjs';
import { SMOLLM2, cannotRun, loadListed, shoot, start } from './helpers/harness.mjs';

const LONG = 'Tell me a long story about a small green bird.';

describe('the page, day by day', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  /** The text of /snippet.js: what a person copied from the page into a project. */
  let snippet = '';
  before(async () => {
    site = await start({
      '/project.html': (_request, response) =>
        response
          .writeHead(200, { 'Content-Type': 'text/html' })
          .end('<!doctype html><title>p</title><script type="module" src="/snippet.js"></script>'),
      '/snippet.js': (_request, response) =>
        response
          .writeHead(200, { 'Content-Type': 'text/javascript' })
          .end(snippet.replace("'siskin'", "'/lib/siskin.js'")),
      '/counted': (_request, response) => response.end('counted'),
    });
  });
  after(() => site?.stop());

  /** Opens the page with short answers that are the same each time, and loads the model. */
  async function openChat(options) {
    const opened = await site.open(options);
    await opened.page.evaluate(() =>
      localStorage.setItem('siskin.settings', '{"temperature":0,"max_tokens":16}'),
    );
    await opened.page.reload();
    await opened.page.locator('input[name=model]').first().waitFor();
    await loadListed(opened.page, 'SmolLM2');
    return opened;
  }

  async function send(page, text) {
    await page.locator('#prompt').fill(text);
    await page.keyboard.press('Enter');
  }

  async function answered(page) {
    await page.locator('.assistant:last-child .notes').waitFor();
    return page.locator('.assistant:last-child .text').innerText();
  }

  const titles = (page) => page.locator('.conversations .title').allInnerTexts();
  const questions = async (page) =>
    (await page.locator('.bubble').allInnerTexts()).map((text) => text.replace(/^You:\s*/, ''));

  test('keeps several conversations through a reload, deletes one and all', async () => {
    const { page, complaints, close } = await openChat();
    await send(page, 'Say one.');
    const first = await answered(page);
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.locator('#empty').waitFor();
    await send(page, 'Say two.');
    await answered(page);
    assert.deepEqual(await titles(page), ['Say two.', 'Say one.']);

    await page.reload();
    await page.locator('#prompt').waitFor();
    assert.deepEqual(await titles(page), ['Say two.', 'Say one.']);
    assert.deepEqual(await questions(page), ['Say two.']);
    await page.getByRole('button', { name: 'Say one.', exact: true }).click();
    await page.locator('.bubble', { hasText: 'Say one.' }).waitFor();
    assert.equal(await answered(page), first);
    assert.equal(await page.locator('.title[aria-current=true]').innerText(), 'Say one.');

    const remove = page.getByRole('button', { name: 'Delete chat: Say one.' });
    await remove.click();
    await remove.waitFor({ state: 'detached' });
    assert.ok(await page.locator('#empty').isVisible(), 'it was the one that was shown');
    assert.deepEqual(await titles(page), ['Say two.']);
    await page.getByRole('button', { name: 'Delete all chats' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    assert.deepEqual(await titles(page), ['Say two.']);
    await page.getByRole('button', { name: 'Delete all chats' }).click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByText('Chats that you begin').waitFor();
    await page.reload();
    await page.locator('#prompt').waitFor();
    assert.deepEqual(await titles(page), []);
    assert.deepEqual(complaints, []);
    await close();
  });

  test('what is written of an answer survives a reload in the middle', async () => {
    const { page, close } = await openChat();
    await page.evaluate(() =>
      localStorage.setItem('siskin.settings', '{"temperature":0,"max_tokens":512}'),
    );
    await page.reload();
    await page.locator('#prompt').waitFor();
    await send(page, LONG);
    await page.waitForFunction(
      () => document.querySelector('.assistant.writing .text')?.textContent.length > 10,
    );
    await page.waitForTimeout(1200);
    await page.reload();
    await page.locator('.assistant .notes').waitFor();
    assert.equal(await page.locator('.assistant .notes').innerText(), 'stopped');
    assert.ok((await page.locator('.assistant .text').innerText()).length > 10);
    await close();
  });

  test('regenerates an answer and edits a message, by keyboard', async () => {
    const { page, close } = await openChat();
    await send(page, 'Say one.');
    await answered(page);
    await send(page, 'Say two.');
    await answered(page);
    const again = page.getByRole('button', { name: 'Regenerate' });
    assert.equal(await again.count(), 1, 'only the last answer can be written anew');
    await again.focus();
    await page.keyboard.press('Enter');
    await page.locator('.assistant.writing').waitFor();
    await answered(page);
    assert.deepEqual(await questions(page), ['Say one.', 'Say two.']);
    assert.equal(await page.locator('.assistant').count(), 2);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'prompt');

    await page.getByRole('button', { name: 'Edit message' }).first().focus();
    await page.keyboard.press('Enter');
    const box = page.getByRole('textbox', { name: 'Edit message' });
    assert.equal(await box.inputValue(), 'Say one.');
    await page.keyboard.press('Escape');
    assert.equal(
      await page.evaluate(() => document.activeElement.getAttribute('aria-label')),
      'Edit message',
      'the focus goes back',
    );
    await page.keyboard.press('Enter');
    await box.fill('Say three.');
    await page.keyboard.press('Enter');
    await answered(page);
    assert.deepEqual(await questions(page), ['Say three.']);
    assert.equal(await page.locator('.messages > li').count(), 2);
    assert.deepEqual(await titles(page), ['Say three.']);
    await close();
  });

  test('saves a conversation as Markdown and as JSON', async () => {
    const { page, close } = await openChat();
    assert.ok(await page.getByRole('button', { name: 'JSON' }).isDisabled());
    await send(page, 'Say one.');
    await answered(page);
    const save = async (name) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name }).click(),
      ]);
      return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')];
    };
    const [markdown_name, markdown] = await save('Markdown');
    assert.equal(markdown_name, 'say-one.md');
    assert.match(markdown, /^# Say one\.\n\n## You\n\nSay one\.\n\n## SmolLM2 135M Instruct\n\n\S/);
    const [json_name, json] = await save('JSON');
    assert.equal(json_name, 'say-one.json');
    assert.deepEqual(
      JSON.parse(json).messages.map(({ role }) => role),
      ['user', 'assistant'],
    );
    await close();
  });

  test('an answer that is stopped before its first word is no empty answer', async () => {
    const { page, complaints, close } = await openChat();
    // The model reads this for a while.
    await send(page, 'word '.repeat(1500));
    await page.keyboard.press('Escape');
    await page.locator('.assistant .notes').waitFor();
    assert.equal(
      await page.locator('.assistant .notes').innerText(),
      'Stopped before the first word.',
    );
    await page.getByRole('button', { name: 'Code', exact: true }).click();
    assert.equal(
      await page
        .locator('#code-text')
        .innerText()
        .then((t) => /content: ''/.test(t)),
      false,
    );
    await page.keyboard.press('Escape');
    await send(page, 'Say one.');
    assert.ok((await answered(page)).length > 0);
    await page.getByRole('button', { name: 'Code', exact: true }).click();
    const code = await page.locator('#code-text').innerText();
    assert.match(code, /\{ role: 'user', content: 'Say one\.' \}/);
    assert.doesNotMatch(code, /word word/, 'what has no answer is not sent again');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('counts the requests of page and worker since the model was loaded', async () => {
    const { page, close } = await openChat();
    const shown = () => page.locator('#requests').innerText();
    await send(page, 'Say one.');
    await answered(page);
    await page.getByRole('tab', { name: 'Classify' }).click();
    await page.getByRole('button', { name: 'Classify', exact: true }).click();
    await page.locator('.shares').waitFor();
    assert.equal(await shown(), 'Requests since load: 0');
    await page.evaluate(() => fetch('/counted?page'));
    await page.getByText('Requests since load: 1').waitFor();
    const worker = page.workers().find((worker) => new URL(worker.url()).pathname === '/worker.js');
    await worker.evaluate(() => fetch('/counted?worker'));
    await page.getByText('Requests since load: 2').waitFor();
    await close();
  });

  test('classifies and extracts, by keyboard', async () => {
    const { page, complaints, close } = await openChat();
    const focused = () => page.evaluate(() => document.activeElement.id);
    await page.locator('#tab-chat').focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await focused(), 'tab-classify');
    assert.ok(await page.locator('#classify').isVisible());
    assert.ok(!(await page.locator('#chat').isVisible()));
    await page.keyboard.press('End');
    assert.equal(await focused(), 'tab-receipt');
    await page.keyboard.press('ArrowRight');
    assert.equal(await focused(), 'tab-chat');
    await page.getByRole('tab', { name: 'Classify' }).click();

    await page.locator('#classify-text').fill('The striker scored twice in the second half.');
    await page.locator('#classify-words').fill('sports, politics, cooking');
    await page.keyboard.press('Enter');
    await page.locator('.shares').waitFor();
    const shares = await page.locator('.shares li').allInnerTexts();
    assert.match(shares[0], /^sports\s+\d+%$/);
    const sum = shares.reduce((sum, text) => sum + Number(text.match(/(\d+)%/)[1]), 0);
    assert.ok(Math.abs(sum - 100) <= 2, `${sum}%`);
    await page.locator('#classify-words').fill('sports');
    await page.keyboard.press('Enter');
    await page.getByText('at least two labels').waitFor();
    assert.equal(await focused(), 'classify-words');

    await page.getByRole('tab', { name: 'Extract' }).click();
    await page.locator('#extract-words').fill('name, email');
    await page.keyboard.press('Enter');
    await page.locator('.facts').waitFor();
    const heads = await page.locator('.facts th').allInnerTexts();
    assert.deepEqual(heads, ['name', 'email']);
    assert.match(await page.locator('.facts').innerText(), /Maria Lopez/);

    await page.getByRole('tab', { name: 'Receipt' }).click();
    await page.getByRole('button', { name: 'Read receipt' }).click();
    await page.locator('#receipt .facts').waitFor();
    const rows = await page.locator('#receipt .facts tr').allInnerTexts();
    assert.match(rows[0], /^Merchant\s+corner shop/i);
    assert.match(rows[1], /^Date\s+2026-11-28$/);
    // So small a model takes some names of the example for those of the receipt.
    assert.ok(
      rows.slice(2, -1).some((row) => /\s2\.80$/.test(row)),
      rows.join(),
    );
    assert.match(rows.at(-1), /^Total\s+9\.05$/);

    // From another task the list of chats leads back to the chat.
    await page.getByRole('button', { name: 'Chats', exact: true }).click();
    assert.ok(await page.locator('#history').isVisible());
    assert.equal(await page.getByRole('tab', { selected: true }).innerText(), 'Chat');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('corrects a text with the writing assistant, without a request', async () => {
    const { page, complaints, close } = await openChat();
    await page.getByRole('tab', { name: 'Write' }).click();
    await page.locator('#write-text').fill('She have two cats.');
    await page.getByRole('button', { name: 'Correct', exact: true }).click();
    const card = await waitForCard(page, (card) => card?.inserted.length > 0);
    assert.deepEqual(card.deleted, ['have']);
    const [word] = card.inserted;
    assert.match(word, /^ha[sd]$/);
    await shoot(page, 'write');
    await clickCard(page, 'Accept');
    await page.waitForFunction(() => !document.querySelector('#write-text').value.includes('have'));
    assert.equal(await page.locator('#write-text').inputValue(), `She ${word} two cats.`);
    assert.equal(await page.locator('#requests').innerText(), 'Requests since load: 0');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('the code on the screen does what the screen shows', async () => {
    const { page, close } = await openChat();
    await send(page, "What's the capital of France?");
    const answer = await answered(page);
    const copied = async () => {
      await page.getByRole('button', { name: 'Code', exact: true }).click();
      const text = await page.locator('#code-text').innerText();
      await page.keyboard.press('Escape');
      return text;
    };
    const run = async (text, pattern) => {
      snippet = text;
      const project = await page.context().newPage();
      await project.goto(`${site.url}/project.html`);
      await project.waitForFunction(
        (pattern) => new RegExp(pattern).test(document.body.textContent),
        pattern.source,
      );
      const written = await project.locator('body').textContent();
      await project.close();
      return written;
    };
    const chat = await copied();
    assert.match(chat, /^import \{ Siskin \} from 'siskin';/);
    assert.ok(chat.split('\n').length < 20, 'it is short');
    const flat = (text) => text.replace(/\W+/g, ' ').trim();
    // Its last words may stand earlier in it too.
    const whole = new RegExp(`${flat(answer).split(' ').join('\\W+')}\\W*$`);
    assert.equal(flat(await run(chat, whole)), flat(answer));

    await page.getByRole('tab', { name: 'Classify' }).click();
    await page.getByRole('button', { name: 'Classify', exact: true }).click();
    const best = await page.locator('.shares span').first().innerText();
    const shares = JSON.parse(await run(await copied(), /\]$/));
    assert.equal(shares[0].label, best);

    await page.getByRole('tab', { name: 'Extract' }).click();
    await page.getByRole('button', { name: 'Extract', exact: true }).click();
    const value = await page.locator('.facts td').first().innerText();
    const facts = JSON.parse(await run(await copied(), /\]$/));
    assert.ok(value.startsWith(facts[0].value), `${value} and ${facts[0].value}`);
    await close();
  });

  test('takes the memory that it says', async () => {
    const { page, close } = await openChat();
    const [said, taken] = await page.evaluate(async (file) => {
      const { Siskin } = await import('/lib/siskin.js');
      const listed = await (await fetch('/models.json')).json();
      const siskin = await Siskin.load(`/models/${file}`);
      return [listed.find((model) => model.file === file).memory_bytes, await siskin.memoryBytes()];
    }, SMOLLM2);
    assert.ok(Math.abs(taken / said - 1) < 0.1, `${taken} bytes, not ${said}`);
    await close();
  });

  test('can be installed', async () => {
    const { page, close } = await site.open();
    const devtools = await page.context().newCDPSession(page);
    const { url, errors, manifest } = await devtools.send('Page.getAppManifest');
    assert.equal(url, `${site.url}/manifest.webmanifest`);
    assert.deepEqual(errors, []);
    assert.equal(manifest.name, 'Siskin: a language model in this tab');
    const { installabilityErrors } = await devtools.send('Page.getInstallabilityErrors');
    assert.deepEqual(
      installabilityErrors
        .map(({ errorId }) => errorId)
        // A context of a test is a private window, which installs nothing.
        .filter((id) => id !== 'in-incognito'),
      [],
    );
    await close();
  });

  test('what a model writes never becomes markup', async () => {
    const { page, complaints, close } = await site.open();
    const shown = await page.evaluate(async () => {
      const { render } = await import('/chat/markdown.js');
      const box = document.createElement('div');
      const evil =
        '<img src=x onerror="window.hit = 1"> **<b>bold</b>** &lt;i&gt;\n\n' +
        '- `<script>window.hit = 1</script>`\n- [x] done\n\n' +
        '```html" onclick="hit\n<iframe srcdoc="x"></iframe>\n```\n\n' +
        '<script>window.hit = 1</script>\n\n' +
        '[one](javascript:hit) [two](JaVaScRiPt:hit) [three](data:text/html,x) [four](/path) ' +
        '![five](https://example.org/picture.png) <https://example.org/six> ' +
        '[seven](https://example.org/"onmouseover="hit) [eight](mailto:a@example.org)\n\n' +
        '| a <img src=y> | b |\n|:-:|--:|\n| `c` | [d](vbscript:x) |\n\n' +
        '# *Heading* <svg onload=hit>\n\n> quoted <style>*{display:none}</style>\n';
      document.body.append(box);
      render(box, evil, () => document.createElement('button'));
      return {
        tags: [...new Set([...box.querySelectorAll('*')].map((node) => node.localName))].sort(),
        attributes: [
          ...new Set(
            [...box.querySelectorAll('*')].flatMap((node) =>
              node.getAttributeNames().map((name) => `${node.localName} ${name}`),
            ),
          ),
        ].sort(),
        links: [...box.querySelectorAll('a')].map(({ href, rel, target }) => [href, rel, target]),
        text: box.textContent,
        code: box.querySelector('figcaption').textContent,
        align: [...box.querySelectorAll('td')].map(({ className }) => className),
        hit: window.hit,
      };
    });
    assert.equal(shown.hit, undefined);
    const safe = 'a blockquote button code div em figcaption figure h2 li p pre span strong table';
    assert.deepEqual(shown.tags, [...safe.split(' '), 'tbody', 'td', 'th', 'thead', 'tr', 'ul']);
    assert.deepEqual(
      shown.attributes.filter((name) => /\b(on\w+|style|src|srcdoc|id)$/.test(name)),
      [],
    );
    assert.deepEqual(
      shown.links,
      [
        'https://example.org/picture.png',
        'https://example.org/six',
        'https://example.org/%22onmouseover=%22hit',
        'mailto:a@example.org',
      ].map((href) => [href, 'noopener noreferrer', '_blank']),
    );
    assert.match(shown.text, /<img src=x onerror="window.hit = 1"> <b>bold<\/b> <i>/);
    assert.match(shown.text, /\[one\]\(javascript:hit\) \[two\]\(JaVaScRiPt:hit\)/);
    assert.match(shown.text, /☑ done/);
    assert.equal(shown.code, 'html');
    assert.deepEqual(shown.align, ['center', 'right']);
    assert.deepEqual(complaints, []);
    await close();
  });

  test('blocks that are finished keep their nodes while text streams', async () => {
    const { page, close } = await site.open();
    const kept = await page.evaluate(async () => {
      const { render } = await import('/chat/markdown.js');
      const box = document.createElement('div');
      const show = (text) => render(box, text, () => document.createElement('button'));
      show('First.\n\n- one\n- t');
      const [first, list] = box.children;
      show('First.\n\n- one\n- two\n\nLast');
      return [box.children[0] === first, box.children[1] === list, box.children.length];
    });
    assert.deepEqual(kept, [true, false, 3]);
    await close();
  });
});
