/**
 * This module names the build that each part of the library belongs to, so that parts of two builds
 * never run together: a site may be deployed anew while its pages are open.
 */
import { SiskinError } from './errors.js';

/** In the package, the bundler puts its version and a hash of its content here. */
export const BUILD = 'source';
/** In the package, the bundler puts a hash of the wasm files here; elsewhere it is not checked. */
export const WASM_BUILD = '';

/**
 * @param {string} part what was met
 * @param {string | undefined} build the build that it belongs to
 * @param {string} expected
 * @throws {SiskinError} `version_mismatch`
 */
export function checkBuild(part, build, expected) {
  if (build === expected) return;
  throw new SiskinError(
    'version_mismatch',
    `This page runs Siskin's build ${expected}, and ${part} is of build ${build ?? 'unknown'}: ` +
      'the site has changed since the page was opened. Reload the page.',
  );
}
