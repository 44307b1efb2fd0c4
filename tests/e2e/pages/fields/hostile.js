// This page does what it can to read, drive and hide the assistant.
window.keys = [];
window.messages = [];
for (const name of ['keydown', 'keypress', 'keyup', 'beforeinput', 'input', 'paste'])
  addEventListener(name, (event) => keys.push(event.key ?? event.data ?? event.type), true);
addEventListener('message', ({ data }) => messages.push(data));

window.roots = [];
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (init) {
  const root = attach.call(this, { ...init, mode: 'open' });
  roots.push(root);
  return root;
};
for (const [owner, name] of [
  [Document.prototype, 'execCommand'],
  [Document.prototype, 'createElement'],
  [Element.prototype, 'append'],
  [Node.prototype, 'appendChild'],
  [EventTarget.prototype, 'addEventListener'],
  [Array.prototype, 'every'],
  [String.prototype, 'trim'],
  [JSON, 'stringify'],
  [window, 'fetch'],
]) {
  const original = owner[name];
  owner[name] = function (...values) {
    // What the assistant works with must not come by here.
    (window.seen ??= []).push(name);
    return original.apply(this, values);
  };
}

/** Lays something over everything that lets clicks through. */
window.cover = () => {
  const cover = document.createElement('div');
  cover.setAttribute('popover', 'manual');
  cover.style.cssText =
    'position:fixed;inset:0;width:100vw;height:100vh;background:#fff;pointer-events:none;margin:0';
  cover.textContent = 'Press here to win';
  document.body.append(cover);
  cover.showPopover();
  window.uncover = () => cover.remove();
};

/** Clicks by a program on whatever lies over the page. */
window.clickByProgram = () => {
  for (const host of document.documentElement.children)
    if (host.hasAttribute('popover')) {
      host.click();
      const { left, top, width, height } = host.getBoundingClientRect();
      for (let x = left; x < left + width; x += 10)
        for (let y = top; y < top + height; y += 10)
          host.dispatchEvent(
            new MouseEvent('click', { clientX: x, clientY: y, bubbles: true, composed: true }),
          );
      host.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    }
};
