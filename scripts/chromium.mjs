// This module launches headless Chromium for the scripts, the benchmarks and the tests.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const CHROMIUM = process.env.SISKIN_CHROMIUM || '/usr/bin/chromium';

/** Every Chromium is headless and sends no requests of its own. */
export const SWITCHES = [
  '--headless=new',
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];

/** Chromium on Linux offers WebGPU only with this switch. */
export const WEBGPU = process.platform === 'linux' ? ['--enable-unsafe-webgpu'] : [];

/** With these switches Chromium has WebGPU on machines without a graphics card. */
export const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Returns playwright's driver. It is loaded on demand, because it may not be installed. */
export function playwright() {
  return createRequire(new URL('../pkg/package.json', import.meta.url))('playwright-core').chromium;
}

/**
 * Launches a Chromium with a profile of its own.
 *
 * @param {string[]} [more] switches
 */
export function launchChromium(more = []) {
  return playwright().launch({
    executablePath: CHROMIUM,
    // Playwright's own flag would ask for its own headless build.
    headless: false,
    args: [...SWITCHES, ...more],
  });
}

/**
 * Returns the most memory that a browser's tab has held, or 0 if that is not known.
 *
 * @param {import('playwright-core').Browser} browser
 */
export async function tabPeakBytes(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer');
  return Math.max(0, ...renderers.map(({ id }) => peakBytes(id)));
}

/**
 * Returns the most memory that a process has held, which Linux tells, or 0 if that is not known.
 *
 * @param {number} pid
 */
export function peakBytes(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
