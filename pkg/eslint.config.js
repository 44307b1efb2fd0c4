// Run from the repository's root: pkg/node_modules/.bin/eslint -c pkg/eslint.config.js www tests scripts
import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['target/', 'pkg/', 'tests/fixtures/', 'tests/fuzz/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      'no-undef': 'error',
      // A loop may end by return alone.
      'no-constant-condition': ['error', { checkLoops: 'none' }],
    },
  },
  {
    files: ['www/**/*.js'],
    languageOptions: { globals: { ...globals.browser, ...globals.worker } },
  },
  {
    // Functions that a test sends to a page run in the browser.
    files: ['tests/**/*.{js,mjs}', 'scripts/**/*.mjs'],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
  {
    // Tests put functions and classes on the page's window, which no-undef cannot know.
    files: ['tests/e2e/**'],
    rules: { 'no-undef': 'off' },
  },
];
