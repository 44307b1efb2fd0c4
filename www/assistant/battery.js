/** This module knows whether the battery is low. */

/** Below this part of its charge a battery is low: phones and laptops begin to save power here. */
const LOW = 0.2;

/**
 * Returns whether the battery is low. Where the browser does not tell (Firefox and Safari have no
 * such interface, Chrome has it on secure pages), it may be.
 *
 * @returns {Promise<boolean>}
 */
export async function isBatteryLow() {
  try {
    const { charging, level } = await /** @type {any} */ (navigator).getBattery();
    return !charging && level <= LOW;
  } catch {
    return true;
  }
}
