const headers = [
  { key: 'Cross-Origin-Opener-Policy', value: 'same-origin' },
  { key: 'Cross-Origin-Embedder-Policy', value: 'require-corp' },
];

export default {
  distDir: process.env.NEXT_DIST ?? '.next',
  headers: async () => [{ source: '/:path*', headers }],
};
