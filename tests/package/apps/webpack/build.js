// Builds main.js and the service worker with webpack's defaults.
import { fileURLToPath } from 'node:url';
import webpack from 'webpack';

const context = fileURLToPath(new URL('.', import.meta.url));
const stats = await new Promise((done, failed) =>
  webpack(
    {
      context,
      mode: 'production',
      entry: { main: './main.js', sw: './sw.js' },
      output: { path: `${context}dist`, filename: '[name].js' },
    },
    (error, stats) => (error ? failed(error) : done(stats)),
  ),
);
console.log(stats.toString());
process.exitCode = stats.hasErrors() ? 1 : 0;
