#!/usr/bin/env node
// This script lists a site's files for its service worker: `node shell.mjs DIR` writes
// DIR/shell.json. Run it after every change of the site. In the package it is siskin-list-files.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * These files are not part of the shell: no page requests them, sw.js is stored by the browser, and
 * models are stored by the library.
 */
const LEFT_OUT =
  /^(\..*|sw\.js|shell\.json|CNAME|_headers|_redirects|LICENSE.*|.*\.(d\.ts|gguf|map|md))$/;

/**
 * @param {string} folder
 * @returns {Generator<string>} paths below it
 */
function* filesOf(folder, below = '') {
  const entries = readdirSync(join(folder, below), { withFileTypes: true });
  if (isModel(join(folder, below))) return;
  for (const entry of entries) {
    if (LEFT_OUT.test(entry.name)) continue;
    if (entry.isDirectory()) yield* filesOf(folder, `${below}${entry.name}/`);
    else yield below + entry.name;
  }
}

/** @param {string} folder */
function isModel(folder) {
  const manifest = join(folder, 'manifest.json');
  return existsSync(manifest) && readFileSync(manifest, 'utf8').includes('"siskin_manifest"');
}

/**
 * @param {string} folder
 * @returns {{files: Record<string, string>}} the SHA-256 of each file by its address
 */
export function listShell(folder) {
  const hash = (/** @type {string} */ path) =>
    createHash('sha256')
      .update(readFileSync(join(folder, path)))
      .digest('hex');
  const address = (/** @type {string} */ path) =>
    encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23');
  return {
    files: Object.fromEntries(
      [...filesOf(folder)].sort().map((path) => [address(path), hash(path)]),
    ),
  };
}

// npm starts it by a symbolic link, of which Node tells this module the target.
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2);
  if (!folder) {
    console.error('siskin-list-files DIR writes DIR/shell.json');
    process.exit(2);
  }
  const list = listShell(folder);
  writeFileSync(join(folder, 'shell.json'), `${JSON.stringify(list, null, 1)}\n`);
  console.log(`${join(folder, 'shell.json')}: ${Object.keys(list.files).length} files`);
}
