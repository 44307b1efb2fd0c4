import { report, trySiskin } from './try_siskin.js';

// The test says where the package is: beside the page, or on another origin.
const { Siskin } = await import(new URLSearchParams(location.search).get('siskin'));
report(trySiskin(Siskin));
