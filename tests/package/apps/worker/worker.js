import { Siskin } from './siskin/siskin.js';
import { report, trySiskin } from './try_siskin.js';

report(trySiskin(Siskin));
postMessage(await globalThis.result);
