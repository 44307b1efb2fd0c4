// These tests check the list of a site's files: which files it has, and under which URLs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listShell } from '../../scripts/shell.mjs';

test('pages, scripts and wasm are listed by URL; models and sw.js are not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-shell-'));
  try {
    await mkdir(join(folder, 'models/tiny'), { recursive: true });
    await mkdir(join(folder, '.git'));
    const listed = ['index.html', 'a b#c.js', 'models/user.js', 'manifest.json'];
    for (const name of [
      ...listed,
      '.git/config',
      'sw.js',
      'shell.json',
      'models/x.gguf',
      'models/tiny/tiny.001',
      'types.d.ts',
      'CNAME',
    ])
      await writeFile(join(folder, name), name);
    await writeFile(join(folder, 'models/tiny/manifest.json'), '{"siskin_manifest":1}');
    const { files } = listShell(folder);
    assert.deepEqual(Object.keys(files), [
      'a%20b%23c.js',
      'index.html',
      'manifest.json',
      'models/user.js',
    ]);
    assert.equal(files['index.html'], createHash('sha256').update('index.html').digest('hex'));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the script runs through a symbolic link, as npm makes one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-shell-'));
  try {
    const script = fileURLToPath(new URL('../../scripts/shell.mjs', import.meta.url));
    await writeFile(join(folder, 'index.html'), 'page');
    await symlink(script, join(folder, '.link.mjs'));
    execFileSync(process.execPath, [join(folder, '.link.mjs'), folder]);
    const { files } = JSON.parse(await readFile(join(folder, 'shell.json'), 'utf8'));
    assert.deepEqual(Object.keys(files), ['index.html']);
  } finally {
    await rm(folder, { recursive: true });
  }
});
