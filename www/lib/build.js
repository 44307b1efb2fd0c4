/** This module names the build that a part of the library belongs to. */

/** In the package, this is its version with a hash of its content (scripts/bundle.mjs). */
export const BUILD = 'source';
