// The build copies marked beside this file (scripts/package.sh); scripts/serve.mjs serves it here.
export * from '../../../pkg/node_modules/marked/lib/marked.js';
