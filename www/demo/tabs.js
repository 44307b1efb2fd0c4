/** This module lets the visitor switch between the panels of the page, as ARIA's tabs do. */

/**
 * @param {HTMLElement} list the element with the tabs; each names its panel by aria-controls
 * @returns {{select: (name: string) => void, readonly selected: string}} both take and give the id
 *   of a panel
 */
export function makeTabs(list) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role=tab]')]);
  const panelOf = (/** @type {HTMLElement} */ tab) => tab.getAttribute('aria-controls') ?? '';
  let selected = panelOf(tabs[0]);
  const select = (/** @type {string} */ name) => {
    selected = name;
    for (const tab of tabs) {
      const is_selected = panelOf(tab) === name;
      tab.setAttribute('aria-selected', String(is_selected));
      // The tabs are one stop of the Tab key; the arrow keys go from one to the next.
      tab.tabIndex = is_selected ? 0 : -1;
      const panel = document.getElementById(panelOf(tab));
      if (panel) panel.hidden = !is_selected;
    }
  };
  list.addEventListener('click', ({ target }) => {
    const tab = target instanceof Element && target.closest('[role=tab]');
    if (tab instanceof HTMLElement) select(panelOf(tab));
  });
  list.addEventListener('keydown', (event) => {
    const at = tabs.findIndex((tab) => panelOf(tab) === selected);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs[(to + tabs.length) % tabs.length];
    select(panelOf(tab));
    tab.focus();
  });
  return {
    select,
    get selected() {
      return selected;
    },
  };
}
