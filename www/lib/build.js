/** The build of this library: once it is built, its version and a hash of its content. */
export const BUILD = 'source';
