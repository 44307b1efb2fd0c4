// Builds the service worker, as a script of its own.
import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    emptyOutDir: false,
    lib: { entry: 'sw.js', formats: ['es'], fileName: () => 'sw.js' },
  },
});
