/** `./build.sh build` bundles the assistant with the parts of the library that it uses. */
export * from '../../assistant/index.js';
