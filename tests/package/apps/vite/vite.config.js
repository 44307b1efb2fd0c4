import { defineConfig } from 'vite';

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
// Vite 8 needs no settings for Siskin, older ones these.
const settings = process.env.SISKIN_VITE_SETTINGS
  ? { worker: { format: 'es' }, optimizeDeps: { exclude: ['siskin'] } }
  : {};

export default defineConfig({ base: './', server: { headers }, ...settings });
