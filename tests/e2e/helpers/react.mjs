// This module serves React as modules, without a bundler: its packages hold CommonJS files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './harness.mjs';

const FILES = {
  react: 'react/cjs/react.development.js',
  scheduler: 'scheduler/cjs/scheduler.development.js',
  'react-dom': 'react-dom/cjs/react-dom.development.js',
  'react-dom/client': 'react-dom/cjs/react-dom-client.development.js',
};

/** `cannotRun` takes this entry. */
export const NEED_REACT = [
  join(ROOT, 'pkg/node_modules', FILES.react),
  'npm ci in pkg/ brings React',
];

const EXPORTS = 'createElement, StrictMode, useCallback, useEffect, useMemo, useRef, useState, act';

function script() {
  const factories = Object.entries(FILES).map(([name, file]) => {
    const text = readFileSync(join(ROOT, 'pkg/node_modules', file), 'utf8');
    return `${JSON.stringify(name)}(module, exports, require) {\n${text}\n}`;
  });
  return `
    const process = { env: { NODE_ENV: 'development' } };
    const factories = {${factories.join(',\n')}};
    const loaded = {};
    function require(name) {
      if (!loaded[name]) {
        const module = { exports: {} };
        loaded[name] = module;
        factories[name](module, module.exports, require);
      }
      return loaded[name].exports;
    }
    export const { ${EXPORTS} } = require('react');
    export const { createRoot } = require('react-dom/client');
  `;
}

const send = (type, body) => (_, response) => {
  response.setHeader('Content-Type', type);
  // An import map is a script in the page.
  response.removeHeader('Content-Security-Policy');
  response.end(body());
};

/** These routes serve a page with an import map, and React. */
export const REACT_ROUTES = {
  '/react.js': send('text/javascript', script),
  '/react': send(
    'text/html',
    () =>
      '<!doctype html><html lang="en"><title>React</title>' +
      '<script type="importmap">{"imports": {"react": "/react.js"}}</script>' +
      '<div id="root"></div></html>',
  ),
};
