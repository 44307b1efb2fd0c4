// This script bundles the library (www/lib) into the package's dist folder: the entries of a page
// in one graph, each worker whole.
//
//   node scripts/bundle.mjs FOLDER      with the wasm files in FOLDER/wasm
//
// The bundler is rolldown: a part that is imported later shares code with the entry, and rolldown
// keeps that code in the entry's own file, so that a page's part is one request. (esbuild moves it
// into a further file, and drops `webpackIgnore` when it minifies.)
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LIBRARY = join(ROOT, 'www/lib');
const { rolldown } = createRequire(join(ROOT, 'pkg/package.json'))('rolldown');

/** The entries of pages: files of dist, and the modules of www/lib that they are made of. */
const PAGE_ENTRIES = {
  siskin: 'siskin.js',
  react: 'react.js',
  builtin_ai: 'builtin_ai.js',
  ai_sdk: 'ai_sdk.js',
};
/** Browsers start these by their URLs; each is one file, because Vite 5 to 7 split no worker. */
const WHOLE_ENTRIES = {
  worker: 'worker.js',
  thread: 'thread.js',
  reader: 'reader.js',
  sw: 'service_worker.js',
  sw_handlers: 'service_worker_handlers.js',
};

/** Each wasm file says in this custom section of which build it is, and so does each script. */
const SECTION = 'siskin build';
const HASH_DIGITS = 12;

/**
 * Writes into the wasm files and their scripts of which build they are, and returns that.
 *
 * @param {string} folder
 */
function stampWasm(folder) {
  const content = Buffer.concat([
    Buffer.from([SECTION.length]),
    Buffer.from(SECTION),
    Buffer.alloc(HASH_DIGITS),
  ]);
  const head = Buffer.concat([Buffer.from([0, content.length]), content.subarray(0, -HASH_DIGITS)]);
  const line = /^export const BUILD = .*\n/m;
  const files = readdirSync(folder)
    .filter((name) => /\.(js|wasm)$/.test(name))
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const bytes = readFileSync(path);
      if (name.endsWith('.js')) return { path, bytes: bytes.toString().replace(line, '') };
      const at = bytes.length - head.length - HASH_DIGITS;
      const stamped = bytes.subarray(at, at + head.length).equals(head);
      return { path, bytes: stamped ? bytes.subarray(0, at) : bytes };
    });
  const hash = createHash('sha256');
  for (const { bytes } of files) hash.update(bytes);
  const build = hash.digest('hex').slice(0, HASH_DIGITS);
  for (const { path, bytes } of files)
    writeFileSync(
      path,
      typeof bytes === 'string'
        ? `${bytes}export const BUILD = '${build}';\n`
        : Buffer.concat([bytes, head, Buffer.from(build)]),
    );
  return build;
}

/**
 * Returns the build's name: the package's version and a hash of its content.
 *
 * @param {string} wasm_build
 */
function buildName(wasm_build) {
  const hash = createHash('sha256').update(wasm_build);
  for (const name of readdirSync(LIBRARY, { recursive: true }).sort())
    if (name.endsWith('.js')) hash.update(name).update(readFileSync(join(LIBRARY, name)));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'pkg/package.json'), 'utf8'));
  return `${version}-${hash.digest('hex').slice(0, HASH_DIGITS)}`;
}

/**
 * Returns a function that writes the names of the builds into the text of `www/lib/build.js`.
 *
 * @param {string} folder with the wasm files in `folder/wasm`
 */
export function stampedBuild(folder) {
  const wasm_build = stampWasm(join(folder, 'wasm'));
  return (code) =>
    code.replace(`'source'`, `'${buildName(wasm_build)}'`).replace(`''`, `'${wasm_build}'`);
}

/**
 * Bundles the library.
 *
 * @param {string} folder
 */
export async function bundle(folder) {
  const stamp = stampedBuild(folder);
  const constants = {
    name: 'constants of the build',
    transform: (code, id) =>
      id === join(LIBRARY, 'build.js') ? { code: stamp(code), map: null } : undefined,
  };
  const quotes = {
    name: 'quotes that bundlers know',
    // The minifier writes template literals, in which some bundlers find no files. The lengths stay.
    generateBundle: (_options, files) => {
      for (const file of Object.values(files))
        file.code &&= file.code
          .replace(/new URL\(`([^`$]*)`,import\.meta\.url\)/g, 'new URL("$1",import.meta.url)')
          .replace(/\{type:`module`,name:`([^`$]*)`\}/g, '{type:"module",name:"$1"}')
          .replace(/import\(`([^`$]*)`\)/g, 'import("$1")');
    },
  };
  const write = async (input, output) => {
    const bundled = await rolldown({
      input: Object.fromEntries(
        Object.entries(input).map(([name, module]) => [name, join(LIBRARY, module)]),
      ),
      plugins: [constants, quotes],
      // React is the application's own.
      external: ['react'],
      // What a later part needs of an entry's code, the entry exports.
      preserveEntrySignatures: 'allow-extension',
      transform: { target: 'es2022' },
    });
    await bundled.write({
      dir: folder,
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      minify: true,
      sourcemap: true,
      // The package holds the modules beside dist, in src.
      sourcemapPathTransform: (path) => path.replace(/^.*www\/lib\//, '../src/'),
      ...output,
    });
    await bundled.close();
  };
  await write(PAGE_ENTRIES, {});
  for (const [name, module] of Object.entries(WHOLE_ENTRIES))
    await write({ [name]: module }, { codeSplitting: false });
}

if (process.argv[1] && import.meta.url === new URL(`file://${resolve(process.argv[1])}`).href)
  await bundle(resolve(process.argv[2]));
