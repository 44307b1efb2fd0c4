/**
 * This module is the dedicated worker that owns the engine. It fetches the model itself, so that
 * the page stays responsive, and receives its messages between any two steps of the engine, so that
 * `stop` takes effect at once.
 */
import { EngineHost } from './engine/engine_host.js';

new EngineHost().serve(/** @type {any} */ (globalThis), { is_owner: true });
