// npm's script "lint" runs eslint with this configuration from the repository's root.
import js from '@eslint/js';
import globals from 'globals';

export default [
  {
    ignores: [
      'target/',
      'pkg/',
      'tests/fixtures/',
      'tests/fuzz/',
      'examples/*/{node_modules,dist,siskin}/',
    ],
  },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      'no-undef': 'error',
      // A loop may end by a return only.
      'no-constant-condition': ['error', { checkLoops: 'none' }],
    },
  },
  {
    files: ['www/**/*.js', 'examples/**/*.js'],
    languageOptions: { globals: { ...globals.browser, ...globals.worker } },
  },
  {
    files: [
      'www/extension/**/*.js',
      'examples/extension/*.js',
      'tests/package/apps/extension/*.js',
      'tests/js/extension_*.mjs',
    ],
    languageOptions: { globals: globals.webextensions },
  },
  {
    // Functions that a test sends to a page run in the browser.
    files: ['tests/**/*.{js,mjs}', 'scripts/**/*.mjs'],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
  {
    files: ['tests/package/apps/next/**'],
    languageOptions: { parserOptions: { ecmaFeatures: { jsx: true } } },
    // What JSX names counts as used only to rules for React.
    rules: { 'no-unused-vars': 'off' },
  },
  {
    // Tests put functions and classes on the page's window, which no-undef cannot know.
    files: ['tests/e2e/**', 'tests/package/**'],
    rules: { 'no-undef': 'off' },
  },
];
