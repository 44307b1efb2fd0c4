import { defineConfig } from 'vite';

// Pages with these headers are cross-origin isolated, which the engine's threads need.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  // All URLs are relative, so that the built folder works below any path.
  base: './',
  // Siskin's workers are ES modules.
  worker: { format: 'es' },
  // The dev server would otherwise move Siskin's modules away from its workers and wasm files.
  optimizeDeps: { exclude: ['siskin'] },
  server: { headers },
  preview: { headers },
});
