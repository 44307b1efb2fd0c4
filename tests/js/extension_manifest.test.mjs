// These tests hold what the extension is allowed to do, and that its own files do no more: no right
// that is not explained, no code from elsewhere.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('www/extension/manifest.json'));

test('it asks for few rights, each of which is explained', () => {
  assert.deepEqual(manifest.permissions, [
    'activeTab',
    'contextMenus',
    'offscreen',
    'scripting',
    'sidePanel',
    'storage',
  ]);
  assert.equal(manifest.host_permissions, undefined);
  assert.deepEqual(manifest.optional_host_permissions, ['http://*/*', 'https://*/*']);
  for (const path of ['docs/design/extension.md', 'www/extension/store/listing.md'])
    for (const name of manifest.permissions)
      assert.ok(read(path).includes(`\`${name}\``), `${path} explains ${name}`);
});

test('pages neither speak to it nor load more of it than the field for an instruction', () => {
  assert.equal(manifest.externally_connectable, undefined);
  assert.equal(manifest.content_scripts, undefined);
  assert.deepEqual(manifest.web_accessible_resources, [
    {
      resources: ['extension/instruction.html'],
      matches: ['http://*/*', 'https://*/*'],
      use_dynamic_url: true,
    },
  ]);
});

test('its policy allows its own scripts and wasm alone', () => {
  const policy = new Map(
    manifest.content_security_policy.extension_pages.split('; ').map((rule) => {
      const [name, ...sources] = rule.split(' ');
      return [name, sources];
    }),
  );
  assert.deepEqual(policy.get('script-src'), ["'self'", "'wasm-unsafe-eval'"]);
  assert.deepEqual(policy.get('default-src'), ["'self'"]);
  assert.deepEqual(policy.get('object-src'), ["'none'"]);
});

test('no file makes code of text, or takes it from elsewhere', () => {
  for (const folder of ['extension', 'assistant'])
    for (const name of readdirSync(join(ROOT, 'www', folder), { recursive: true })) {
      if (!/\.(js|html)$/.test(name)) continue;
      const text = read(`www/${folder}/${name}`).replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
      const found =
        /\beval\(|new Function\(|innerHTML|insertAdjacentHTML|document\.write|import\(\s*[^'"\s]/.exec(
          text,
        ) ??
        /<script(?![^>]*\bsrc="(?!https?:|\/\/))|\bsrc="(?:https?:|\/\/)|\bon[a-z]+="/.exec(text);
      assert.equal(found, null, `${folder}/${name}: ${found?.[0]}`);
    }
});
