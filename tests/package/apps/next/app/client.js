'use client';

import { useEffect } from 'react';
import { Siskin } from 'siskin';
import { report, trySiskin } from '../try_siskin.js';

export function Client() {
  useEffect(() => {
    const controller = new AbortController();
    report(trySiskin(Siskin, { signal: controller.signal }));
    return () => controller.abort();
  }, []);
  return <p>An app</p>;
}
