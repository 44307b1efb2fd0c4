/**
 * This script is the field for a person's own instruction. It is a frame of the extension's in the
 * card, because a page that listens to keys hears those in its own document, closed shadow roots or
 * not.
 */
const input = /** @type {HTMLInputElement} */ (document.getElementById('instruction'));
/** @type {MessagePort | undefined} */
let port;

// The content script that made this frame sends the first message; nobody else has the frame.
addEventListener('message', ({ source, ports }) => {
  if (port || source !== window.parent || ports.length !== 1) return;
  [port] = ports;
  input.focus();
});

input.addEventListener('keydown', (event) => {
  if (!event.isTrusted || event.isComposing) return;
  if (event.key === 'Escape') port?.postMessage({ type: 'close' });
  if (event.key === 'Enter' && input.value.trim() !== '')
    port?.postMessage({ type: 'instruction', text: input.value.trim() });
});
