// This is a classic script, so that the theme is set before the first paint: the one that the
// visitor chose, or else the system's. The style sheets know `data-theme` alone.
{
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const show = () => {
    let theme;
    try {
      theme = localStorage.getItem('siskin.theme');
    } catch {
      // Storage may be forbidden: the system's theme stays.
    }
    if (theme !== 'light' && theme !== 'dark') theme = dark.matches ? 'dark' : 'light';
    document.documentElement.dataset.theme = theme;
  };
  dark.addEventListener('change', show);
  show();
}
