// This module is a static file server for the demo and the tests. It answers ranges, isolates the
// page (COOP, COEP) and forbids third parties (CSP).
//
// node scripts/serve.mjs [--port N] [--host NAME] [--models DIR]

import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { homedir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'siskin');

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.gguf': 'application/octet-stream',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ts': 'text/plain; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};

const HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; " +
    "connect-src 'self' https: http://localhost:* http://127.0.0.1:*; style-src 'self'; " +
    "img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * @import { IncomingMessage, Server, ServerResponse } from 'node:http'
 *
 * @typedef {(request: IncomingMessage, response: ServerResponse) => unknown} Handler
 * @typedef {string | Handler} Route a folder or file to serve, or a function that answers by itself
 */

/**
 * Starts the server. The longest matching route is used; a route that ends in "/" serves everything
 * below it.
 *
 * @param {object} [options]
 * @param {number} [options.port] 0 (the default) takes a free one
 * @param {string} [options.host]
 * @param {string} [options.modelsDir]
 * @param {boolean} [options.isolation]
 * @param {Record<string, Route>} [options.routes] are added to the built-in ones or replace them
 * @returns {Promise<{url: string, server: Server, close: () => Promise<void>}>} `url` ends without
 *   a slash
 */
export async function startServer({
  port = 0,
  host = '127.0.0.1',
  modelsDir = join(CACHE, 'models'),
  isolation = true,
  routes = {},
} = {}) {
  const table = Object.entries({
    '/': join(ROOT, 'www/demo'),
    '/docs/': join(ROOT, 'pkg/site/docs'),
    '/vendor/marked.js': join(ROOT, 'pkg/node_modules/marked/lib/marked.esm.js'),
    '/vendor/assistant.js': join(ROOT, 'pkg/site/demo/vendor/assistant.js'),
    '/sw.js': join(ROOT, 'pkg/dist/sw.js'),
    '/lib/': join(ROOT, 'pkg/dist'),
    // The library's modules, for tests that replace one or look inside.
    '/src/': join(ROOT, 'www/lib'),
    '/src/wasm/': join(ROOT, 'pkg/dist/wasm'),
    '/models/': modelsDir,
    '/models.json': (_request, response) => sendModels(response, modelsDir),
    ...routes,
  }).sort(([a], [b]) => b.length - a.length);

  const server = createServer(async (request, response) => {
    for (const [name, value] of Object.entries(isolation ? { ...HEADERS, ...ISOLATION } : HEADERS))
      response.setHeader(name, value);
    try {
      await answer(table, request, response);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else sendText(response, 500, `The server failed: ${error.message}`);
    }
  });
  await new Promise((done, failed) => server.once('error', failed).listen(port, host, done));
  const close = () =>
    new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return {
    url: `http://${host === '127.0.0.1' ? 'localhost' : host}:${server.address().port}`,
    server,
    close,
  };
}

async function answer(table, request, response) {
  const path = decodedPath(request.url);
  if (path === undefined) return sendText(response, 400, 'The address is not a plain path.');
  const route = table.find(
    ([prefix]) => path === prefix || (prefix.endsWith('/') && path.startsWith(prefix)),
  );
  if (!route) return sendText(response, 404, `There is nothing at ${path}.`);
  const [prefix, target] = route;
  if (typeof target === 'function') return target(request, response);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(response, 405, 'This server answers GET and HEAD.');
  }
  const file = await fileBelow(target, path.slice(prefix.length));
  return file
    ? sendFile(file, request, response)
    : sendText(response, 404, `There is nothing at ${path}.`);
}

/**
 * Returns the path of a request, decoded once. It is undefined if the path could lead out of its
 * folder or to a hidden file.
 */
function decodedPath(url) {
  try {
    const path = decodeURIComponent(url.split(/[?#]/, 1)[0]);
    return path.startsWith('/') && !/[\\\0]|\/\.|\/\//.test(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns the file at `rest` below `target` (`target` itself if it is a file, index.html for a
 * folder), with its size and ETag.
 */
async function fileBelow(target, rest) {
  for (const name of rest === '' || rest.endsWith('/') ? [rest, `${rest}index.html`] : [rest]) {
    try {
      const path = resolve(target, name);
      const status = await stat(path);
      if (status.isFile())
        return {
          path,
          size: status.size,
          etag: `"${status.size.toString(36)}-${Math.trunc(status.mtimeMs).toString(36)}"`,
        };
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    }
  }
  return undefined;
}

function sendFile({ path, size, etag }, request, response) {
  response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('ETag', etag);
  if (request.headers['if-none-match'] === etag) return response.writeHead(304).end();

  const wanted = (request.headers['if-range'] ?? etag) === etag ? request.headers.range : undefined;
  const range = parseRange(wanted, size);
  if (range === null) return response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
  const [first, last] = range ?? [0, size - 1];
  const headers = { 'Content-Length': last - first + 1 };
  if (range) headers['Content-Range'] = `bytes ${first}-${last}/${size}`;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === 'HEAD' || last < first) return response.end();
  const file = createReadStream(path, { start: first, end: last, highWaterMark: 1 << 20 });
  file.on('error', () => response.destroy());
  response.on('close', () => file.destroy());
  return file.pipe(response);
}

/**
 * Returns [first, last] of a single byte range. It is undefined if the whole file is wanted, and
 * null if the file has no byte of the range.
 */
function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [first, last] =
    match[1] === ''
      ? [Math.max(0, size - Number(match[2])), size - 1]
      : [Number(match[1]), match[2] === '' ? size - 1 : Number(match[2])];
  if (first >= size || (match[1] !== '' && last < first)) return null;
  return [first, Math.min(last, size - 1)];
}

/**
 * Sends www/models.json without the models that this server does not have, so that the page's first
 * choice always loads.
 */
async function sendModels(response, modelsDir) {
  const models = JSON.parse(await readFile(join(ROOT, 'www/models.json'), 'utf8'));
  const held = await Promise.all(models.map((model) => fileBelow(modelsDir, model.file)));
  response.setHeader('Content-Type', TYPES['.json']);
  // The models' URLs are left out, because the page must load them from this server.
  response.end(
    JSON.stringify(
      models.filter((_model, index) => held[index]).map(({ url: _url, ...model }) => model),
    ),
  );
}

function sendText(response, status, text) {
  response.writeHead(status, { 'Content-Type': TYPES['.txt'] }).end(`${text}\n`);
}

async function main() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '8080' },
      host: { type: 'string' },
      models: { type: 'string' },
    },
  });
  const options = { host: values.host, modelsDir: values.models };
  let started;
  try {
    started = await startServer({ ...options, port: Number(values.port) });
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    console.error(`    port ${values.port} is taken; taking a free one`);
    started = await startServer(options);
  }
  console.log(`\nSiskin is at ${started.url}/  (Ctrl+C stops it)`);
}

if (process.argv[1] && import.meta.url === new URL(`file://${resolve(process.argv[1])}`).href)
  await main();
