/** Asks the offscreen document, which may still be on its way, what came of it. */
async function ask() {
  for (;;) {
    try {
      return await chrome.runtime.sendMessage('what came of it?');
    } catch {
      // Nobody listens yet.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
globalThis.result = ask();
