// This module bundles the pages of tests/e2e/editors, whose packages are installed once for each lock
// file.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './harness.mjs';

const run = promisify(execFile);
const SOURCE = join(ROOT, 'tests/e2e/editors');
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'siskin/apps');

/** Installs the editors' packages, unless they are, and returns their node_modules. */
async function install() {
  const files = ['package.json', 'package-lock.json'].map((name) => join(SOURCE, name));
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  const folder = join(CACHE, `editors-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(folder)) {
    const partial = `${folder}.${process.pid}`;
    await mkdir(partial, { recursive: true });
    for (const file of files) await cp(file, join(partial, file.slice(file.lastIndexOf('/') + 1)));
    const options = ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'];
    await run('npm', options, { cwd: partial });
    await rename(partial, folder).catch(() => rm(partial, { recursive: true }));
  }
  return join(folder, 'node_modules');
}

/**
 * Bundles the page of the editors into a folder of its own.
 *
 * @returns {Promise<{folder: string, remove: () => Promise<void>}>}
 */
export async function buildEditors() {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-editors-'));
  await cp(SOURCE, folder, { recursive: true, filter: (path) => !path.includes('node_modules') });
  await symlink(await install(), join(folder, 'node_modules'));
  const { rolldown } = createRequire(join(ROOT, 'pkg/package.json'))('rolldown');
  const bundled = await rolldown({
    input: join(folder, 'main.js'),
    transform: { define: { 'process.env.NODE_ENV': '"production"' } },
    logLevel: 'silent',
  });
  await bundled.write({ file: join(folder, 'built/editors.js'), codeSplitting: false });
  await bundled.close();
  await cp(join(folder, 'index.html'), join(folder, 'built/index.html'));
  return {
    folder: join(folder, 'built'),
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 10 }),
  };
}
