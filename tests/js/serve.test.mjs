// These tests check the static server: types, ranges, isolation, and that no path leads out of its
// folders.
import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';

let folder, server, url;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'siskin-serve-'));
  await mkdir(join(folder, 'models/.verified'), { recursive: true });
  await mkdir(join(folder, 'site/sub'), { recursive: true });
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await writeFile(join(folder, 'models/.verified/hidden.gguf'), 'hidden');
  await writeFile(join(folder, 'models/tiny.gguf'), '0123456789');
  await writeFile(join(folder, 'models/empty.gguf'), '');
  await writeFile(
    join(folder, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'),
    'stands for the real one',
  );
  await writeFile(join(folder, 'site/index.html'), '<!doctype html>front');
  await writeFile(join(folder, 'site/a b.wasm'), 'wasm');
  await writeFile(join(folder, 'site/sub/index.html'), '<!doctype html>sub');
  server = await startServer({
    modelsDir: join(folder, 'models'),
    routes: {
      '/site/': join(folder, 'site'),
      '/broken': () => {
        throw new Error('on purpose');
      },
      '/posted': (request, response) => response.end(request.method),
    },
  });
  url = server.url;
});

after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const get = (path, headers = {}, method = 'GET') => fetch(url + path, { headers, method });

/** Returns the status of a request whose path is sent unchanged; fetch would normalize it. */
const rawStatus = (path) =>
  new Promise((done, failed) => {
    const socket = connect(new URL(url).port, '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    let text = '';
    socket
      .on('data', (data) => (text += data))
      .on('end', () => done(Number(text.split(' ')[1])))
      .on('error', failed);
  });

test('types, index pages and names with spaces', async () => {
  for (const [path, type, body] of [
    ['/site/', 'text/html; charset=utf-8', '<!doctype html>front'],
    ['/site/sub/', 'text/html; charset=utf-8', '<!doctype html>sub'],
    ['/site/a%20b.wasm?query', 'application/wasm', 'wasm'],
    ['/models/tiny.gguf', 'application/octet-stream', '0123456789'],
  ]) {
    const response = await get(path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), type);
    assert.equal(await response.text(), body);
  }
});

test("the library's modules come from www/lib", async () => {
  const response = await get('/src/index.js');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/javascript; charset=utf-8');
});

test('every answer is isolated and forbids third parties, errors too', async () => {
  for (const path of ['/site/', '/nothing']) {
    const { headers } = await get(path);
    assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.equal(headers.get('cross-origin-embedder-policy'), 'require-corp');
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    const policy = headers.get('content-security-policy');
    assert.match(policy, /default-src 'none'/);
    assert.match(
      policy,
      /connect-src 'self' https: http:\/\/localhost:\* http:\/\/127.0.0.1:\*;/,
      'a model may come from any address',
    );
    assert.doesNotMatch(
      policy.replace(/connect-src[^;]*/, ''),
      /unsafe-inline|unsafe-eval'(?<!wasm-unsafe-eval')|\*|https?:/,
    );
  }
});

test('isolation can be left out', async () => {
  const plain = await startServer({ isolation: false, modelsDir: folder });
  const { headers } = await fetch(`${plain.url}/nothing`);
  await plain.close();
  assert.equal(headers.get('cross-origin-embedder-policy'), null);
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
});

test('byte ranges', async () => {
  for (const [range, body, described] of [
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=4-', '456789', 'bytes 4-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=8-99', '89', 'bytes 8-9/10'],
    ['bytes=-99', '0123456789', 'bytes 0-9/10'],
  ]) {
    const response = await get('/models/tiny.gguf', { range });
    assert.equal(response.status, 206, range);
    assert.equal(response.headers.get('content-range'), described);
    assert.equal(response.headers.get('content-length'), String(body.length));
    assert.equal(await response.text(), body);
  }
});

test('ranges that hold no byte, and ranges that are none', async () => {
  for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=5-4', 'bytes=-0']) {
    const response = await get('/models/tiny.gguf', { range });
    assert.equal(response.status, 416, range);
    assert.equal(response.headers.get('content-range'), 'bytes */10');
  }
  for (const range of ['bytes=-', 'items=0-1', 'bytes=0-1,3-4', 'bytes=x-1'])
    assert.equal((await get('/models/tiny.gguf', { range })).status, 200, range);
});

test('HEAD, an empty file and other methods', async () => {
  const head = await get('/models/tiny.gguf', {}, 'HEAD');
  assert.equal(head.headers.get('content-length'), '10');
  assert.equal(head.headers.get('accept-ranges'), 'bytes');
  assert.equal(await head.text(), '');
  const empty = await get('/models/empty.gguf');
  assert.equal(empty.headers.get('content-length'), '0');
  assert.equal(await empty.text(), '');
  const posted = await get('/models/tiny.gguf', {}, 'POST');
  assert.equal(posted.status, 405);
  assert.equal(posted.headers.get('allow'), 'GET, HEAD');
});

test('an unchanged file is not sent again, a changed one is sent whole', async () => {
  const etag = (await get('/models/tiny.gguf')).headers.get('etag');
  assert.equal((await get('/models/tiny.gguf', { 'if-none-match': etag })).status, 304);
  assert.equal(
    (await get('/models/tiny.gguf', { range: 'bytes=4-', 'if-range': etag })).status,
    206,
  );
  assert.equal(
    (await get('/models/tiny.gguf', { range: 'bytes=4-', 'if-range': '"older"' })).status,
    200,
  );
});

test('no path leads out of a folder or to a hidden file', async () => {
  for (const path of [
    '/models/../secret.txt',
    '/models/%2e%2e/secret.txt',
    '/models/..%2fsecret.txt',
    '/models/..%5csecret.txt',
    '/models/.verified/hidden.gguf',
    '/models//etc/passwd',
    '/models/%00',
    '/models/%zz',
  ]) {
    assert.equal(await rawStatus(path), 400, path);
  }
  assert.equal(await rawStatus('/nothing'), 404);
  assert.equal(await rawStatus('/models'), 404);
});

test('the list of models holds those that are here', async () => {
  const models = await (await get('/models.json')).json();
  assert.deepEqual(
    models.map(({ id }) => id),
    ['smollm2-135m-instruct'],
  );
});

test('a route may answer by itself, and its failure is a 500', async () => {
  assert.equal(await (await get('/posted', {}, 'POST')).text(), 'POST');
  const broken = await get('/broken');
  assert.equal(broken.status, 500);
  assert.match(await broken.text(), /on purpose/);
});
