// This module checks what a person with a finger, a keyboard or a screen reader needs of a page.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(
  createRequire(new URL('../../../pkg/package.json', import.meta.url)).resolve(
    'axe-core/axe.min.js',
  ),
  'utf8',
);

/** Runs axe-core's rules of WCAG 2.2 A and AA and its best practices on what is shown. */
export async function checkAccess(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  const faults = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => [id, help, html.slice(0, 200), failureSummary]),
    );
  });
  assert.deepEqual(faults, []);
}

/**
 * Checks that nothing overflows sideways, and that every control has a name and is large enough for
 * a finger.
 */
export async function checkLayout(page) {
  const faults = await page.evaluate(() => {
    const found = [];
    if (document.documentElement.scrollWidth > innerWidth)
      found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const control of document.querySelectorAll('button, input, textarea, select, progress')) {
      if (!control.checkVisibility()) continue;
      const box = control.getBoundingClientRect();
      const name =
        control.getAttribute('aria-label') ||
        control.textContent.trim() ||
        control.labels?.[0]?.textContent.trim();
      const described = `${control.localName}#${control.id} "${name}"`;
      if (!name) found.push(`${described} has no name`);
      if (box.left < -0.5 || box.right > innerWidth + 0.5)
        found.push(`${described} sticks out: ${box.left} to ${box.right}`);
      const in_text = control.matches('.link, input[type=radio], input[type=range]');
      if (control.localName === 'button' && !in_text && box.height < 32)
        found.push(`${described} is ${box.height} px high`);
    }
    return found;
  });
  assert.deepEqual(faults, []);
}
