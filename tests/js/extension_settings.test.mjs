// These tests hold for the extension's settings: storage may hold anything, and what is read is
// always something that the extension can use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULTS,
  MAX_SITES,
  MAX_WORDS,
  isOff,
  onSettings,
  readBaseUrl,
  readHost,
  readModelUrl,
  readSettings,
  writeSettings,
} from '../../www/extension/settings.js';
import { installFakeChrome } from './helpers/fake_chrome.mjs';

const turn = () => new Promise((done) => setTimeout(done, 5));

test('an empty storage has the defaults', async () => {
  installFakeChrome();
  assert.deepEqual(await readSettings(), DEFAULTS);
  const { model, backend, fallback, ready } = DEFAULTS;
  assert.deepEqual(
    { model, backend, on: fallback.on, ready },
    {
      model: { kind: 'default' },
      backend: 'auto',
      on: false,
      ready: false,
    },
  );
});

test('a storage that cannot be read has the defaults', async () => {
  installFakeChrome({ 'settings.backend': 'cpu' }).breakReading();
  assert.deepEqual(await readSettings(), DEFAULTS);
});

test('a caller who changes what was read does not change the defaults', async () => {
  installFakeChrome();
  const settings = await readSettings();
  settings.dictionary.push('Siskin');
  settings.fallback.on = true;
  assert.deepEqual((await readSettings()).dictionary, []);
  assert.equal(DEFAULTS.fallback.on, false);
});

test('each setting is read back as it was written, and the others stay', async () => {
  installFakeChrome();
  const values = {
    model: { kind: 'url', url: 'https://example.org/models/a.gguf' },
    backend: 'chrome',
    offSites: ['bank.example', 'example.org'],
    dictionary: ['Siskin', 'naïve'],
    fallback: {
      on: true,
      baseURL: 'http://localhost:8080/v1',
      model: 'qwen',
      apiKey: 'sk-1',
      until: 'never',
    },
    asYouType: 'always',
    ready: true,
  };
  assert.deepEqual(Object.keys(values).sort(), Object.keys(DEFAULTS).sort());
  let expected = DEFAULTS;
  for (const [name, value] of Object.entries(values)) {
    await writeSettings({ [name]: value });
    expected = { ...expected, [name]: value };
    assert.deepEqual(await readSettings(), expected);
  }
});

test('two settings that are written at once are both kept', async () => {
  installFakeChrome();
  await Promise.all([writeSettings({ ready: true }), writeSettings({ backend: 'gpu' })]);
  const { ready, backend } = await readSettings();
  assert.deepEqual([ready, backend], [true, 'gpu']);
});

const NONSENSE = [null, 0, NaN, 1e9, '', 'x'.repeat(1 << 20), [], [[]], {}, { kind: 'url' }, true];

test('nonsense in storage never comes out', async () => {
  for (const name of Object.keys(DEFAULTS))
    for (const value of NONSENSE) {
      installFakeChrome({ [`settings.${name}`]: value });
      const settings = await readSettings();
      const reason = `${name}: ${JSON.stringify(value)?.slice(0, 40)}`;
      if (value === true && typeof DEFAULTS[name] === 'boolean') continue;
      if (name === 'fallback') assert.equal(settings.fallback.on, false, reason);
      else assert.deepEqual(settings[name], DEFAULTS[name], reason);
    }
});

test('a damaged setting leaves the others alone', async () => {
  installFakeChrome({ 'settings.backend': 'quantum', 'settings.ready': true });
  const { backend, ready } = await readSettings();
  assert.deepEqual([backend, ready], ['auto', true]);
});

test('models of other kinds and addresses are not taken', async () => {
  for (const model of [
    { kind: 'huge' },
    { kind: 'url', url: 'file:///etc/passwd' },
    { kind: 'url', url: 'javascript:alert(1)' },
    { kind: 'url', url: 'http://example.org/a.gguf' },
    { kind: 'url', url: `https://example.org/${'a'.repeat(3000)}` },
    { kind: 'file', name: '' },
    { kind: 'file', name: 'n'.repeat(1000) },
  ]) {
    installFakeChrome({ 'settings.model': model });
    assert.deepEqual((await readSettings()).model, { kind: 'default' }, JSON.stringify(model));
    await assert.rejects(writeSettings({ model }), TypeError);
  }
  assert.equal(readModelUrl(' https://example.org/a.gguf '), 'https://example.org/a.gguf');
  assert.equal(readModelUrl('http://127.0.0.1:81/a.gguf'), 'http://127.0.0.1:81/a.gguf');
});

test('what is wrong in a list is left out, and its length is bounded', async () => {
  const words = Array.from({ length: MAX_WORDS + 10 }, (_, i) => `word${i}`);
  const sites = Array.from({ length: MAX_SITES + 10 }, (_, i) => `s${i}.example`);
  installFakeChrome({
    'settings.dictionary': [7, '  ', 'two\nlines', 'x'.repeat(65), ' Siskin ', 'Siskin', ...words],
    'settings.offSites': ['not a host', {}, 'https://Example.org/page', 'example.org', ...sites],
  });
  const { dictionary, offSites } = await readSettings();
  assert.deepEqual(dictionary.slice(0, 3), ['Siskin', 'word0', 'word1']);
  assert.ok(dictionary.length <= MAX_WORDS);
  assert.deepEqual(offSites.slice(0, 3), ['example.org', 's0.example', 's1.example']);
  assert.ok(offSites.length <= MAX_SITES);
});

test('a fallback without a usable server is off', async () => {
  const good = { on: true, baseURL: 'https://example.org/v1/', model: 'm', apiKey: 'k' };
  const read = async (fallback) => {
    installFakeChrome({ 'settings.fallback': fallback });
    return (await readSettings()).fallback;
  };
  assert.deepEqual(await read(good), {
    on: true,
    baseURL: 'https://example.org/v1',
    model: 'm',
    apiKey: 'k',
    until: 'cached',
  });
  for (const wrong of [
    { baseURL: 'ftp://example.org' },
    { baseURL: 'example.org' },
    { baseURL: 'https://me:secret@example.org/v1' },
    { baseURL: 'https://example.org/v1?key=1' },
    { model: '' },
    { on: 'yes' },
    { on: 1 },
  ])
    assert.equal((await read({ ...good, ...wrong })).on, false, JSON.stringify(wrong));
  assert.equal((await read({ ...good, apiKey: 'two words' })).apiKey, '');
  assert.equal(readBaseUrl('http://127.0.0.1:8080/v1/'), 'http://127.0.0.1:8080/v1');
  assert.equal(readBaseUrl('http://192.168.1.5:8080/v1'), undefined);
});

test('an unknown setting is not written', async () => {
  const { items } = installFakeChrome();
  await assert.rejects(writeSettings({ colour: 'green' }), TypeError);
  await assert.rejects(writeSettings({ ready: true, backend: 'quantum' }), TypeError);
  assert.equal(items.size, 0);
});

test('sites are hosts, with all hosts below them', () => {
  assert.equal(readHost('https://Mail.Example.org:8080/inbox?x'), 'mail.example.org');
  assert.equal(readHost('münchen.example'), 'xn--mnchen-3ya.example');
  assert.equal(readHost('localhost'), 'localhost');
  for (const none of ['', ' ', 'a b', 'chrome://extensions', 'https://', 7, null])
    assert.equal(readHost(none), undefined, String(none));
  const settings = { offSites: ['example.org'] };
  assert.equal(isOff(settings, 'example.org'), true);
  assert.equal(isOff(settings, 'mail.example.org'), true);
  assert.equal(isOff(settings, 'badexample.org'), false);
  assert.equal(isOff(settings, 'example.org.evil.example'), false);
  assert.equal(isOff(settings, ''), false);
});

test('listeners hear of changes, in order, until they end', async () => {
  installFakeChrome();
  const heard = [];
  const end = onSettings(({ backend }) => heard.push(backend));
  await writeSettings({ backend: 'cpu' });
  await writeSettings({ backend: 'gpu' });
  await chrome.storage.local.set({ 'something.else': 1 });
  await turn();
  assert.equal(heard.at(-1), 'gpu');
  assert.equal(heard.length, 2);
  end();
  await writeSettings({ backend: 'cpu' });
  await turn();
  assert.equal(heard.length, 2);
});
