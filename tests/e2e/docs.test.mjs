// These tests run the examples of the READMEs and of docs/guide in Chromium, on the built package,
// check their types, and open the site that ./build.sh docs makes of them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startServer } from '../../scripts/serve.mjs';
import { launchChromium } from '../../scripts/chromium.mjs';
import { docBlocks, docPages, readPage } from './helpers/doc_blocks.mjs';
import { NEED_REACT, REACT_ROUTES } from './helpers/react.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRun } from './helpers/harness.mjs';

const run = promisify(execFile);
const DOCS_MODULES = join(ROOT, 'docs/node_modules');
const { version, exports: entries } = JSON.parse(readFileSync(join(ROOT, 'pkg/package.json')));
/** This chat model writes nonsense, and is small enough to be part of the repository. */
const CHAT_TINY = join(ROOT, 'tests/fixtures/models/chat-tiny.gguf');
/** The examples of these pages need a model that knows what is asked, or the very file. */
const NEEDS_SMOLLM2 =
  /(builtin-ai|chat|classify|documents|extract|limits|models|proofread|structured)\.md$/;
const MODEL_ADDRESS = /'(hf:|https:\/\/huggingface\.co\/|\/models\/)[^']*\.(gguf|json)'/g;

/** The tiny model's answers are random, and one may be empty: then it is asked again. */
const MAX_QUESTIONS = 8;

/** The names that an example may use without a line about them. */
const HARNESS_PAGE = `<!doctype html><meta charset="utf-8"><title>Examples</title>
<script type="importmap">{"imports": {"react": "/react.js"}}</script>
<form><input name="question" value="Hello"><button>Ask</button></form>
<input type="file" id="input"><p id="output"></p>`;
const HARNESS_TYPES = `
declare const url: string;
declare const siskin: import('siskin').Siskin;
declare const messages: import('siskin').ChatMessage[];
declare const output: HTMLElement;
declare const input: HTMLInputElement & {files: FileList};
declare const LanguageModel: import('siskin/builtin-ai').BuiltinAi['LanguageModel'];
`;

const skip = cannotRun(SMOLLM2, NEED_REACT, [
  join(DOCS_MODULES, 'typedoc'),
  './build.sh test docs installs it',
]);

describe('the examples', { skip, timeout: 240_000 }, () => {
  let server;
  let other;
  let browser;
  let context;
  const scripts = new Map();
  const pages = new Map();

  before(async () => {
    const sendText = (texts, type) => (request, response) => {
      const text = texts.get(request.url);
      // These pages have scripts in them, which the server's policy would refuse.
      response.removeHeader('Content-Security-Policy');
      response.writeHead(text === undefined ? 404 : 200, { 'Content-Type': type }).end(text);
    };
    server = await startServer({
      routes: {
        '/favicon.ico': join(ROOT, 'www/demo/logo.svg'),
        '/siskin/': join(ROOT, 'pkg/dist'),
        '/page/siskin/': join(ROOT, 'pkg/dist'),
        '/modules/': DOCS_MODULES,
        '/react.js': REACT_ROUTES['/react.js'],
        '/page/': sendText(pages, 'text/html; charset=utf-8'),
        '/script/': sendText(scripts, 'text/javascript; charset=utf-8'),
        '/model/tiny.gguf': CHAT_TINY,
        '/model/smollm2.gguf': join(MODELS_DIR, SMOLLM2),
      },
    });
    other = await startServer({ routes: { '/siskin/': sendFromElsewhere } });
    browser = await launchChromium();
    context = await browser.newContext();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await other?.close();
  });

  /** Returns a block as a module of the test's server. */
  function asScript({ page, code }) {
    const model = NEEDS_SMOLLM2.test(page) ? 'smollm2' : 'tiny';
    return code
      .replace(MODEL_ADDRESS, `'${server.url}/model/${model}.gguf'`)
      .replace(
        /from '(\.\/siskin|siskin|minisearch|vue)(\/[^']*)?'/g,
        (_whole, name, path = '') => {
          if (name === './siskin') return `from '/siskin${path}'`;
          if (name === 'minisearch') return "from '/modules/minisearch/dist/es/index.js'";
          if (name === 'vue') return "from '/modules/vue/dist/vue.runtime.esm-browser.js'";
          return `from '/siskin/${entries[`.${path}`].default.replace('./dist/', '')}'`;
        },
      );
  }

  async function openPage(address) {
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on(
      'console',
      (message) =>
        message.type() === 'error' &&
        complaints.push(`${message.text()} ${message.location().url}`),
    );
    await page.goto(address);
    return { page, complaints };
  }

  for (const name of docPages()) {
    const blocks = docBlocks([name]).filter(({ language, file }) => language === 'js' && !file);
    if (blocks.length === 0) continue;
    describe(`of ${name}`, () => {
      let page;
      let complaints;
      before(async () => {
        pages.set('/page/harness.html', HARNESS_PAGE);
        ({ page, complaints } = await openPage(`${server.url}/page/harness.html`));
        const model = NEEDS_SMOLLM2.test(name) ? 'smollm2' : 'tiny';
        await page.evaluate(
          async ([entry, url]) => {
            const { Siskin } = await import(entry);
            const siskin = await Siskin.load(url);
            const messages = [{ role: 'user', content: 'Hello' }];
            Object.assign(globalThis, { siskin, url, messages });
          },
          [`/siskin/${entries['.'].default.replace('./dist/', '')}`, `/model/${model}.gguf`],
        );
      });
      after(() => page?.close());

      for (const block of blocks)
        test(`line ${block.line}`, async () => {
          const writes = /\boutput\.|document\.body\.append/.test(block.code);
          const has_written = () =>
            page.evaluate(() => document.body.textContent !== globalThis.before);
          for (let asked = 1; asked === 1 || (writes && !(await has_written())); asked++) {
            assert.ok(asked <= MAX_QUESTIONS, 'nothing was written');
            const address = `/script/${block.name.replaceAll('/', '-')}-${asked}.js`;
            scripts.set(address, asScript(block));
            await page.evaluate(async (address) => {
              output.textContent = '';
              globalThis.before = document.body.textContent;
              globalThis.exported = await import(address);
            }, address);
            const asks = block.code.includes("addEventListener('submit'");
            const picks = block.code.includes("addEventListener('change'");
            if (asks) await page.getByRole('button', { name: 'Ask' }).click();
            if (picks) await page.locator('#input').setInputFiles(CHAT_TINY);
            if (block.code.includes('export function useSiskin')) await runComposable(page);
            // Other examples have ended when they are imported.
            const waits = writes && (asks || picks);
            for (let turn = 0; waits && turn < 100 && !(await has_written()); turn++)
              await page.waitForTimeout(100);
          }
          if (!block.code.includes('there-is-no-model')) assert.deepEqual(complaints.splice(0), []);
          complaints.length = 0;
        });
    });
  }

  for (const block of docBlocks().filter(({ language }) => language === 'tsx'))
    test(`the component at ${block.name}`, async () => {
      const { transpileModule } = createRequire(join(ROOT, 'docs/package.json'))('typescript');
      const compilerOptions = { jsx: 'react', jsxFactory: 'createElement', target: 'ES2022' };
      const { outputText } = transpileModule(block.code, { compilerOptions });
      const address = `/script/${block.name.replaceAll('/', '-')}.js`;
      const factory = "import { createElement } from 'react';\n";
      scripts.set(address, factory + asScript({ ...block, code: outputText }));
      pages.set('/page/harness.html', HARNESS_PAGE);
      const { page, complaints } = await openPage(`${server.url}/page/harness.html`);
      await page.evaluate(async (address) => {
        document.body.innerHTML = '<main></main>';
        const { createElement, createRoot } = await import('/react.js');
        const [component] = Object.values(await import(address));
        createRoot(document.querySelector('main')).render(createElement(component));
      }, address);
      await page.locator('main button').waitFor();
      // The page of Next.js has its button from the start, with the status of the model on it.
      await page.waitForFunction(
        () => !['idle', 'loading'].includes(document.querySelector('main').innerText),
      );
      if ((await page.locator('main input').count()) > 0)
        await page.locator('main input').fill('Hello');
      const before = await page.locator('main').innerText();
      const isAnswered = async () => (await page.locator('main').innerText()) !== before;
      for (let asked = 0; asked < MAX_QUESTIONS && !(await isAnswered()); asked++) {
        await page.locator('main button').click();
        for (let turn = 0; turn < 50 && !(await isAnswered()); turn++)
          await page.waitForTimeout(100);
      }
      assert.ok(await isAnswered(), before);
      assert.deepEqual(complaints, []);
      await page.close();
    });

  /** Runs the composable of Vue in a scope, as a component would. */
  async function runComposable(page) {
    await page.evaluate(async () => {
      const { effectScope } = await import('/modules/vue/dist/vue.runtime.esm-browser.js');
      const scope = effectScope();
      const { siskin, error } = scope.run(() => globalThis.exported.useSiskin(url));
      while (!siskin.value && !error.value) await new Promise((done) => setTimeout(done, 20));
      if (error.value) throw error.value;
      const messages = [{ role: 'user', content: 'Hello' }];
      await siskin.value.chat.completions.create({ messages, max_tokens: 5 });
      scope.stop();
    });
  }

  for (const block of docBlocks().filter(({ language }) => language === 'html'))
    test(`the page at ${block.name}`, async () => {
      const address = `/page/${block.name.replaceAll('/', '-')}.html`;
      const cdn = /https:\/\/cdn\.[^/]+\/npm\/siskin@([^/]+)\/dist\//;
      assert.equal(cdn.exec(block.code)?.[1] ?? version, version);
      pages.set(
        address,
        block.code
          .replace(cdn, `${other.url.replace('localhost', '127.0.0.1')}/siskin/`)
          .replace(MODEL_ADDRESS, `'/model/tiny.gguf'`),
      );
      const { page, complaints } = await openPage(server.url + address);
      const written = page.locator('#output', { hasText: /\S/ });
      const isWritten = () =>
        written.waitFor({ timeout: 5000 }).then(
          () => true,
          () => false,
        );
      let asked = 1;
      for (; !(await isWritten()) && asked < MAX_QUESTIONS; asked++) await page.reload();
      assert.ok(asked < MAX_QUESTIONS, 'nothing was written');
      assert.deepEqual(complaints, []);
      await page.close();
    });
});

/** Answers as a CDN does: to every origin. */
function sendFromElsewhere(request, response) {
  const path = join(ROOT, 'pkg/dist', request.url.slice('/siskin/'.length));
  response.removeHeader('Content-Security-Policy');
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  response.setHeader('Access-Control-Allow-Origin', '*');
  const type = path.endsWith('.wasm') ? 'application/wasm' : 'text/javascript; charset=utf-8';
  if (!existsSync(path)) return response.writeHead(404).end();
  response.setHeader('Content-Type', type);
  return createReadStream(path).pipe(response);
}

describe('the types of the examples', { skip, timeout: 120_000 }, () => {
  const folder = join(ROOT, 'target/doc-types');

  test('fit the package', async () => {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    await mkdir(folder, { recursive: true });
    const paths = Object.fromEntries(
      Object.entries(entries)
        .filter(([, { types }]) => types)
        .map(([name, { types }]) => [`siskin${name.slice(1)}`, [join(ROOT, 'pkg', types)]]),
    );
    for (const { language, file, code, page, line } of docBlocks()) {
      if (!['js', 'ts', 'tsx'].includes(language) || (file ?? 'page.js') !== 'page.js') continue;
      const name = `${page.replaceAll('/', '-')}-${line}.${language}`;
      // The package is in other places on pages without a bundler.
      const text = code
        .replace(/'\.\/siskin\/[^']*'/, "'siskin'")
        // TypeScript cannot know what an array of its own is for; docs/guide/requests.md says so.
        .replace(
          /^(?=const messages = )/m,
          language === 'js' ? "/** @type {import('siskin').ChatMessage[]} */\n" : '',
        );
      await writeFile(
        join(folder, name),
        text.includes('import ') ? text : `${text}\nexport {};\n`,
      );
    }
    await writeFile(join(folder, 'harness.d.ts'), HARNESS_TYPES);
    const compilerOptions = {
      target: 'ES2022',
      module: 'ES2022',
      moduleResolution: 'bundler',
      lib: ['ES2022', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable', 'ESNext.Disposable'],
      jsx: 'react-jsx',
      types: [],
      typeRoots: [],
      allowJs: true,
      checkJs: true,
      noEmit: true,
      skipLibCheck: true,
      paths: {
        ...paths,
        react: [join(DOCS_MODULES, '@types/react')],
        'react/*': [join(DOCS_MODULES, '@types/react/*')],
        minisearch: [join(DOCS_MODULES, 'minisearch')],
        vue: [join(DOCS_MODULES, 'vue')],
      },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const tsc = join(DOCS_MODULES, '.bin/tsc');
    const { stdout } = await run(tsc, ['-p', folder]).catch((error) => error);
    assert.equal(stdout, '');
  });
});

describe('the components of the examples', { skip }, () => {
  const load = createRequire(join(ROOT, 'docs/package.json'));

  for (const block of docBlocks().filter(({ language }) => language === 'vue'))
    test(`Vue compiles ${block.name}`, () => {
      const { compileScript, compileTemplate, parse } = load('vue/compiler-sfc');
      const { descriptor, errors } = parse(block.code);
      assert.deepEqual(errors, []);
      const { bindings } = compileScript(descriptor, { id: 'example' });
      const template = compileTemplate({
        source: descriptor.template.content,
        filename: 'example.vue',
        id: 'example',
        compilerOptions: { bindingMetadata: bindings },
      });
      assert.deepEqual(template.errors, []);
    });

  for (const block of docBlocks().filter(({ language }) => language === 'svelte'))
    test(`Svelte compiles ${block.name}`, () => {
      const { warnings } = load('svelte/compiler').compile(block.code, { generate: 'client' });
      assert.deepEqual(warnings, []);
    });
});

describe('the site of the docs', { skip, timeout: 120_000 }, () => {
  let server;
  let browser;
  const folder = join(ROOT, 'target/docs');
  before(async () => {
    const options = ['--options', join(ROOT, 'docs/typedoc.json'), '--out', folder];
    await run(join(DOCS_MODULES, '.bin/typedoc'), options, { cwd: ROOT });
    server = await startServer({ routes: { '/any/folder/': folder } });
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test('works under a strict policy in any folder, and asks no other host', async () => {
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    const complaints = [];
    const elsewhere = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(`${server.url}/any/folder/`)) elsewhere.push(request.url());
    });
    await page.goto(`${server.url}/any/folder/`);
    const links = await page
      .locator('.col-content a[href]')
      .evaluateAll((anchors) => [...new Set(anchors.map(({ href }) => href.split('#')[0]))]);
    assert.ok(links.length > 10, 'the first page leads to the others');
    const demo = page.locator('#tsd-toolbar-links a', { hasText: 'Demo' });
    const demos = [];
    for (const link of links) {
      assert.equal((await page.goto(link)).status(), 200, link);
      demos.push(await demo.first().evaluate(({ href }) => href));
      await page.locator('#tsd-nav-container a').first().waitFor({ state: 'attached' });
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, `${link} is ${wider} pixels wider than a phone`);
    }
    assert.deepEqual([...new Set(demos)], [`${server.url}/any/`]);
    assert.deepEqual(complaints, []);
    assert.deepEqual(elsewhere, []);
  });

  test('finds words of the guide and names of the reference', async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/any/folder/`);
    await page.locator('#tsd-search-trigger').click();
    for (const [word, hit] of [
      ['Netlify', 'Threads'],
      ['tokenize', 'Siskin.tokenize'],
    ]) {
      await page.locator('#tsd-search-input').fill(word);
      await page.locator('#tsd-search-results', { hasText: hit }).waitFor();
    }
  });
});

test('the pages name the model that the tests run', () => {
  const models = JSON.parse(readFileSync(join(ROOT, 'www/models.json')));
  const { sha256 } = models.find(({ file }) => file === SMOLLM2);
  assert.ok(readPage('docs/guide/models.md').includes(sha256));
  for (const page of docPages())
    for (const [, file] of readPage(page).matchAll(
      /SmolLM2-135M-Instruct-GGUF\/([^'`\s)]+\.gguf)/g,
    ))
      assert.equal(file.split('/').pop(), SMOLLM2);
});
