// These tests run the bench page on a real model with small sizes, and check what the benchmark
// computes from its runs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { median, spread, summarize, tables } from '../../scripts/bench/report.mjs';
import { SMOLLM2, cannotRun, shoot, start, workersLeft } from './helpers/harness.mjs';

describe('the bench page', { skip: cannotRun(SMOLLM2), timeout: 300_000 }, () => {
  let site;
  before(async () => (site = await start()));
  after(() => site?.stop());

  const open = async (options) => {
    const opened = await site.open(options);
    await opened.page.getByRole('link', { name: 'How fast is it here?' }).click();
    await opened.page.waitForURL('**/bench.html');
    await opened.page.goto(`${site.url}/bench.html?prompt=48&generate=8&long=96`);
    await opened.page.getByRole('radio', { name: 'SmolLM2' }).check();
    return opened;
  };

  test('measures, shows a table and copies it', async () => {
    const { page, complaints, close } = await open({
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await page.getByRole('button', { name: 'Measure', exact: true }).click();
    await page.getByRole('button', { name: 'Copy as Markdown' }).waitFor();
    await shoot(page, 'bench');
    await page.setViewportSize({ width: 360, height: 740 });
    assert.equal(
      await page.evaluate(() => document.documentElement.scrollWidth),
      360,
      'nothing sticks out on a phone',
    );
    await shoot(page, 'bench-phone');
    await page.setViewportSize({ width: 1200, height: 800 });
    assert.match(
      await page.locator('#result-title').innerText(),
      /^SmolLM2 135M Instruct \(Q4_1, 98 MB\)$/,
    );
    assert.match(
      await page.locator('#result-where').innerText(),
      /^Chrome \d+ · \d+ cores? · CPU · (relaxed )?SIMD · \d+ threads?$/,
    );
    const rows = await page
      .locator('#results tr')
      .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.equal(rows.length, 8);
    assert.equal(rows[5][0], 'decode at context 96');
    for (const [title, value] of rows)
      assert.match(value, /^\d+(\.\d+)?( s| tokens\/s| MB)?$/, title);
    assert.ok(rows.every(([, value]) => Number.parseFloat(value) > 0));

    await page.getByRole('button', { name: 'Copy as Markdown' }).click();
    await page.getByText('Copied').first().waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    const lines = text.trim().split('\n');
    assert.match(lines[0], /^\*\*Siskin\*\*: SmolLM2/);
    assert.match(lines[1], /\d{4}-\d\d-\d\d$/);
    assert.equal(lines.length, 3 + 2 + rows.length);
    assert.match(lines[4], /^\|-+\|-+:\|$/);
    for (const [i, row] of rows.entries())
      assert.deepEqual(
        lines[5 + i]
          .split('|')
          .slice(1, 3)
          .map((cell) => cell.trim()),
        row,
      );

    await page.getByRole('button', { name: 'Copy as JSON' }).click();
    await page.getByRole('button', { name: 'Copy as JSON' }).getByText('Copied').waitFor();
    const report = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    assert.match(report.user_agent, /Chrome/);
    assert.equal(report.info.architecture, 'llama');
    assert.equal(report.info.backend, 'cpu');
    const shown = Number.parseFloat(rows.find(([title]) => title === 'prefill')[1]);
    assert.ok(Math.abs(report.figures.prefill_tokens_per_second - shown) < 0.1);

    assert.equal(await workersLeft(page, 0), 0, 'the model is unloaded');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('stops when told to, says what fails, and measures again', async () => {
    const { page, complaints, close } = await open();
    await page.getByRole('button', { name: 'Measure', exact: true }).click();
    await page.locator('#result-card').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Measure', exact: true }).waitFor();
    assert.ok(
      !(await page.getByRole('button', { name: 'Copy as Markdown' }).isVisible()),
      'half a table is not for copying',
    );

    await page.locator('#file-input').setInputFiles({
      name: 'not.gguf',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from('not a model'),
    });
    await page.locator('#bench-error').waitFor();
    assert.equal(await page.locator('#bench-error-code').innerText(), 'not_gguf');

    await page.getByRole('button', { name: 'Measure', exact: true }).click();
    await page.getByRole('button', { name: 'Copy as Markdown' }).waitFor();
    assert.ok(!(await page.locator('#bench-error').isVisible()));
    assert.deepEqual(complaints, []);
    await close();
  });

  test('prompts have the lengths that are asked for', async () => {
    const { page, close } = await open();
    const steps = await page.evaluate(async (file) => {
      const [{ Siskin }, { ask, prepareFirst, prepareRest }] = await Promise.all([
        import('/lib/siskin.js'),
        import('/measure.js'),
      ]);
      const siskin = await Siskin.load(`/models/${file}`, { contextTokens: 256 });
      const { first, logit_bias } = await prepareFirst(siskin);
      const steps = [await ask(siskin, first, logit_bias)];
      const sizes = {
        prompt_tokens: 64,
        generate_tokens: 40,
        long_tokens: 150,
        long_generate_tokens: 3,
      };
      for (const prompt of await prepareRest(siskin, sizes, steps[0]))
        steps.push(await ask(siskin, prompt, logit_bias));
      await siskin.unload();
      return steps;
    }, SMOLLM2);
    const template_tokens = steps[0].prompt_tokens - 20;
    assert.ok(template_tokens > 0 && template_tokens < 40);
    const lengths = steps.map(({ name, prompt_tokens, completion_tokens }) => [
      name,
      prompt_tokens,
      completion_tokens,
    ]);
    assert.deepEqual(lengths, [
      ['first', 20 + template_tokens, 2],
      ['prefill', 64, 1],
      ['decode', 44, 40],
      ['question', 20 + template_tokens, 2],
      ['long', 150, 3],
    ]);
    for (const { name, cached_tokens } of steps)
      assert.ok(cached_tokens < 8, `${name}: ${cached_tokens} tokens were still cached`);
    await close();
  });
});

describe('the report', () => {
  const step = (name, prompt_tokens, completion_tokens, ms) => ({
    name,
    prompt_tokens,
    cached_tokens: 0,
    completion_tokens,
    first_ms: ms,
    prefill_ms: ms,
    decode_ms: ms,
    text: '',
  });
  const run = (engine, decode_ms, rest = {}) => ({
    engine,
    threads: 1,
    load_ms: 2000,
    memory_bytes: 5e8,
    steps: [step('prefill', 100, 1, 1000), step('decode', 40, 11, decode_ms)],
    ...rest,
  });

  test('medians', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(median([undefined, 7, Number.NaN]), 7);
    assert.equal(median([]), undefined);
  });

  test('figures are medians over the rounds', () => {
    const runs = [run('siskin', 1000), run('siskin', 500), run('siskin', 2000)];
    const summary = summarize(runs);
    assert.equal(summary.load_s, 2);
    assert.equal(summary.prefill_tokens_per_second, 100);
    assert.equal(summary.decode_tokens_per_second, 10);
    assert.equal(summary.memory_mb, 500);
    assert.equal(summary.long_decode_tokens_per_second, undefined);
    assert.equal(spread(runs), 1.5);
    assert.equal(spread(runs.slice(0, 1)), undefined);
  });

  test('a table holds ratios, and a failed peer leaves dashes', () => {
    const [table] = tables(
      [
        run('siskin', 1000),
        run('wllama', 4000),
        { engine: 'native', threads: 1, error: 'it did not start', steps: [] },
      ],
      ['wllama', 'native'],
      { long_tokens: 1200 },
    );
    const cells = (title) =>
      table
        .split('\n')
        .find((line) => line.includes(`| ${title} `))
        ?.split('|')
        .slice(2, -1)
        .map((cell) => cell.trim());
    assert.deepEqual(cells('decode at context 64, tokens/s'), ['10.0', '2.5', '-', '4.00', '-']);
    assert.deepEqual(cells('load, s'), ['2.00', '2.00', '-', '1.00', '-']);
    assert.deepEqual(cells('decode at context 1,200, tokens/s'), ['-', '-', '-', '-', '-']);
    assert.equal(
      new Set(table.split('\n').map((line) => line.length)).size,
      1,
      'the columns stand under each other',
    );
  });
});
