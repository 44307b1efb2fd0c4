// This script makes the Chrome extension's folder of the sources: its pages run the modules as they
// are, and the content script is one file, because Chrome injects no modules.
//
//   node scripts/extension.mjs FOLDER      with the package in pkg/dist
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stampedBuild } from './bundle.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { rolldown } = createRequire(join(ROOT, 'pkg/package.json'))('rolldown');

/** What the extension's pages have of the demo: its looks, and how it shows a conversation. */
const OF_DEMO = [
  'advice.js',
  'chat/answer_view.js',
  'chat/composer.js',
  'chat/conversation.js',
  'chat/history.js',
  'chat/markdown.js',
  'chat/question_view.js',
  'dom.js',
  'format.js',
  'logo.svg',
  'style/chat.css',
  'style/colors.css',
  'style/controls.css',
  'style/models.css',
  'style/page.css',
  'style/sheet.css',
  'style/text.css',
  'theme.js',
];

const folder = resolve(process.argv[2]);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const isOfBrowser = (path) => !/\.d\.ts$|\/store(\/|$)/.test(path);
for (const name of ['extension', 'assistant', 'lib'])
  cpSync(join(ROOT, 'www', name), join(folder, name), { recursive: true, filter: isOfBrowser });
for (const name of OF_DEMO) cpSync(join(ROOT, 'www/demo', name), join(folder, 'demo', name));
const marked = join(ROOT, 'pkg/node_modules/marked');
cpSync(join(marked, 'lib/marked.esm.js'), join(folder, 'demo/vendor/marked.js'));
cpSync(join(marked, 'LICENSE'), join(folder, 'demo/vendor/LICENSE-marked'));
cpSync(join(ROOT, 'pkg/dist/wasm'), join(folder, 'lib/wasm'), { recursive: true });
cpSync(join(ROOT, 'www/models.json'), join(folder, 'models.json'));
cpSync(join(folder, 'extension/manifest.json'), join(folder, 'manifest.json'));
rmSync(join(folder, 'extension/manifest.json'));
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE', 'LICENSE-ggml'])
  cpSync(join(ROOT, name), join(folder, name));
// The engine refuses parts of another build, and prefixes that another build saved.
const build = join(folder, 'lib/build.js');
writeFileSync(build, stampedBuild(join(ROOT, 'pkg/dist'))(readFileSync(build, 'utf8')));

/** A content script speaks to an engine elsewhere: of what is imported late, it needs this. */
const NEEDED = /\/(writing\/index|chat\/(local_answer|prefix)|calls)\.js$/;
const NOTHING = '\0nothing';
const bundled = await rolldown({
  input: join(folder, 'extension/content.js'),
  plugins: [
    {
      name: 'what a content script needs',
      resolveDynamicImport: (path) =>
        typeof path === 'string' && !NEEDED.test(path) ? { id: NOTHING } : undefined,
      load: (id) => (id === NOTHING ? 'export {};' : undefined),
    },
  ],
  // Nothing of the library that knows its own address runs in a page.
  transform: { target: 'es2022', define: { 'import.meta': '{}' } },
});
await bundled.write({
  file: join(folder, 'content.js'),
  format: 'iife',
  codeSplitting: false,
  // The store's reviewers read it.
  minify: false,
});
await bundled.close();
