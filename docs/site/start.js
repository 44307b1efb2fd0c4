// This script runs before a page is painted. It sets the theme (TypeDoc's own script keeps the
// choice), and opens the menu's groups of a visitor who has not opened or closed any.
document.documentElement.dataset.theme = localStorage.getItem('tsd-theme') || 'os';
for (const group of ['Start', 'Recipes', 'Deploy', 'Reference']) {
  const key = `tsd-accordion-${group}`;
  if (localStorage.getItem(key) === null) localStorage.setItem(key, 'true');
}
