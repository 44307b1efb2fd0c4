import { StrictMode, createElement, useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { Siskin, SiskinError } from 'siskin';
import { report, trySiskin } from './try_siskin.js';

/** StrictMode mounts this twice: the first effect is aborted, the second loads. */
function App() {
  useEffect(() => {
    const controller = new AbortController();
    const trying = trySiskin(Siskin, { signal: controller.signal });
    trying.catch((error) => {
      if (!(error instanceof SiskinError)) console.error(error);
      window.aborted ??= error.code;
    });
    report(trying);
    return () => controller.abort();
  }, []);
  return 'An app';
}

createRoot(document.getElementById('root')).render(
  createElement(StrictMode, null, createElement(App)),
);
