// This is a classic script, so that a chosen theme is set before the first paint.
try {
  const theme = localStorage.getItem('siskin.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden: the system's theme stays.
}
