// This script bundles the library (www/lib) into the package's dist folder: the entries of a page
// in one graph, each worker whole.
//
//   node scripts/bundle.mjs FOLDER
//
// The bundler is rolldown: a part that is imported later shares code with the entry, and rolldown
// keeps that code in the entry's own file, so that a page's part is one request. (esbuild moves it
// into a further file, and drops `webpackIgnore` when it minifies.)
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LIBRARY = join(ROOT, 'www/lib');
const { rolldown } = createRequire(join(ROOT, 'pkg/package.json'))('rolldown');

/** The entries of pages: files of dist, and the modules of www/lib that they are made of. */
const PAGE_ENTRIES = { siskin: 'siskin.js' };
/** Browsers start these by their URLs; each is one file, because Vite 5 to 7 split no worker. */
const WHOLE_ENTRIES = { worker: 'worker.js', thread: 'thread.js', sw: 'service_worker.js' };

/** Returns the build's name: the package's version and a hash of the library's content. */
function buildName() {
  const hash = createHash('sha256');
  for (const name of readdirSync(LIBRARY, { recursive: true }).sort())
    if (name.endsWith('.js')) hash.update(name).update(readFileSync(join(LIBRARY, name)));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'pkg/package.json'), 'utf8'));
  return `${version}-${hash.digest('hex').slice(0, 12)}`;
}

/**
 * Bundles the library.
 *
 * @param {string} folder
 */
export async function bundle(folder) {
  const constants = {
    name: 'constants of the build',
    load: (id) =>
      id === join(LIBRARY, 'build.js')
        ? `export const BUILD = ${JSON.stringify(buildName())};`
        : undefined,
  };
  const write = async (input, output) => {
    const build = await rolldown({
      input: Object.fromEntries(
        Object.entries(input).map(([name, module]) => [name, join(LIBRARY, module)]),
      ),
      plugins: [constants],
      // What a later part needs of an entry's code, the entry exports.
      preserveEntrySignatures: 'allow-extension',
      transform: { target: 'es2022' },
    });
    await build.write({
      dir: folder,
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      minify: true,
      sourcemap: true,
      // The package holds the modules beside dist, in src.
      sourcemapPathTransform: (path) => path.replace(/^.*www\/lib\//, '../src/'),
      ...output,
    });
    await build.close();
  };
  await write(PAGE_ENTRIES, {});
  for (const [name, module] of Object.entries(WHOLE_ENTRIES))
    await write({ [name]: module }, { codeSplitting: false });
}

if (process.argv[1] && import.meta.url === new URL(`file://${resolve(process.argv[1])}`).href)
  await bundle(resolve(process.argv[2]));
