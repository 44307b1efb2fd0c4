/**
 * This module is the service worker of a site with Siskin; sw.js imports it. A site that has a
 * service worker of its own imports `service_worker_handlers.js` there and calls its functions.
 */
import {
  handleActivate,
  handleFetch,
  handleInstall,
  handleMessage,
} from './service_worker_handlers.js';

/** @import { Scope } from './service_worker_handlers.js' */

const scope = /** @type {Scope} */ (/** @type {unknown} */ (globalThis));
scope.addEventListener('install', handleInstall);
scope.addEventListener('activate', handleActivate);
scope.addEventListener('fetch', (event) => handleFetch(event));
scope.addEventListener('message', handleMessage);
