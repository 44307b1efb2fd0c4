// These tests check the packed package without a browser: what it holds, what Node and npm make of
// it, and what bundlers do with its service worker.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { TARBALL, cannotPack, makeApp, makeFolder, run, unpack } from './helpers.mjs';

/** Each file of the package is of one of these kinds. */
const FILES = [
  /^(README\.md|package\.json|LICENSE-(MIT|APACHE))$/,
  /^bin\/list_files\.mjs$/,
  /^dist\/(siskin|react|builtin_ai|ai_sdk|worker|thread|reader|sw|sw_handlers)\.js(\.map)?$/,
  /^dist\/(models|register|fallback|shared_engine|stream|http|detect)-[\w-]{8}\.js(\.map)?$/,
  /^dist\/(calls|check|local_answer|openai|request)-[\w-]{8}\.js(\.map)?$/,
  /^dist\/(prefix|run_tools|split_model|writing)-[\w-]{8}\.js(\.map)?$/,
  /^dist\/LICENSE-(MIT|APACHE|ggml)$/,
  /^dist\/wasm\/siskin_(simd|relaxed|threads|threads-simd)(\.js|_bg\.wasm)$/,
  /^(src|types)\/([a-z_]+\/)?[a-z0-9_]+(\.js|\.d\.ts)$/,
];

describe('the tarball', { skip: cannotPack(), timeout: 120_000 }, () => {
  /** @type {string[]} */
  let files;
  before(async () => {
    const { stdout } = await run('tar', ['tzf', TARBALL]);
    files = stdout
      .trim()
      .split('\n')
      .map((name) => name.replace(/^package\//, ''));
  });

  test('holds the package and nothing else', () => {
    assert.deepEqual(
      files.filter((name) => !FILES.some((kind) => kind.test(name))),
      [],
    );
    for (const kind of FILES)
      assert.ok(
        files.some((name) => kind.test(name)),
        String(kind),
      );
    const wasm = files.filter((name) => name.endsWith('.wasm'));
    assert.equal(wasm.length, 4);
  });

  test('simd and threads-simd have no instruction of relaxed SIMD', async (t) => {
    const folder = await makeFolder(t, 'tarball');
    await unpack(folder);
    const isValid = async (name) =>
      WebAssembly.validate(await readFile(join(folder, `dist/wasm/siskin_${name}_bg.wasm`)));
    if (await isValid('relaxed')) return t.skip('SKIPPED: this Node has relaxed SIMD');
    assert.deepEqual(await Promise.all(['simd', 'threads-simd', 'threads'].map(isValid)), [
      true,
      true,
      false,
    ]);
  });

  test('package.json names files that are there, and no tools of the repository', async (t) => {
    const folder = await makeFolder(t, 'tarball');
    await unpack(folder);
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    for (const field of ['scripts', 'devDependencies', 'private', 'dependencies'])
      assert.equal(manifest[field], undefined, field);
    for (const field of ['repository', 'homepage', 'engines', 'license', 'description'])
      assert.ok(manifest[field], field);
    const named = [
      manifest.types,
      ...Object.values(manifest.bin),
      ...manifest.sideEffects,
      ...Object.values(manifest.exports).flatMap((target) =>
        typeof target === 'string' ? target : Object.values(target),
      ),
    ];
    for (const path of named)
      if (!path.includes('*')) assert.ok(existsSync(join(folder, path)), path);
    for (const [name, target] of Object.entries(manifest.exports))
      if (!/\*|json/.test(name)) assert.ok(target.types, `${name} has types`);
  });

  test('source maps name the modules of src', async (t) => {
    const folder = await makeFolder(t, 'tarball');
    await unpack(folder);
    for (const name of files.filter((name) => name.endsWith('.js.map'))) {
      const { sources } = JSON.parse(await readFile(join(folder, name), 'utf8'));
      assert.ok(sources.length > 0);
      for (const source of sources) assert.ok(existsSync(join(folder, 'dist', source)), source);
    }
  });
});

describe('npm and Node', { skip: cannotPack(), timeout: 120_000 }, () => {
  test('npx siskin-list-files lists a site; Node imports the package and cannot load', async (t) => {
    const folder = await makeFolder(t, 'npm');
    await writeFile(join(folder, 'package.json'), '{"private": true, "type": "module"}');
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', TARBALL], { cwd: folder });
    await mkdir(join(folder, 'site'));
    await writeFile(join(folder, 'site/index.html'), 'page');
    await run('npx', ['--no-install', 'siskin-list-files', 'site'], { cwd: folder });
    const { files } = JSON.parse(await readFile(join(folder, 'site/shell.json'), 'utf8'));
    assert.deepEqual(Object.keys(files), ['index.html']);

    await writeFile(
      join(folder, 'main.js'),
      `import { Siskin, SiskinError, models, offline } from 'siskin';
       const error = await Siskin.load('https://example.org/model.gguf').catch((error) => error);
       console.log(JSON.stringify([
         error.code, error instanceof SiskinError, error.message, typeof models.list,
         typeof offline.register]));`,
    );
    const { stdout } = await run(process.execPath, ['main.js'], { cwd: folder });
    const [code, is_error, message, list, register] = JSON.parse(stdout);
    assert.deepEqual(
      [code, is_error, list, register],
      ['unsupported', true, 'function', 'function'],
    );
    assert.match(message, /^Siskin runs in browsers/);
  });
});

describe('a service worker of one import', { skip: cannotPack(), timeout: 300_000 }, () => {
  for (const [bundler, command, file] of [
    [
      'esbuild',
      ['node_modules/.bin/esbuild', 'sw.js', '--bundle', '--outfile=out/sw.js'],
      'out/sw.js',
    ],
    ['webpack', [process.execPath, 'build.js'], 'dist/sw.js'],
    ['vite', ['node_modules/.bin/vite', 'build', '--config', 'vite.sw.config.js'], 'dist/sw.js'],
  ])
    test(`${bundler} keeps it whole`, async (t) => {
      const folder = await makeApp(t, bundler, bundler === 'vite' ? 'vite/8' : bundler);
      const [program, ...values] = command;
      await run(program, values, { cwd: folder });
      const bundled = await readFile(join(folder, file), 'utf8');
      for (const event of ['install', 'activate', 'fetch', 'message'])
        assert.match(bundled, new RegExp(`addEventListener\\(.${event}.`), event);
      assert.doesNotMatch(bundled, /^\s*(import|export)\b/m);
    });
});
