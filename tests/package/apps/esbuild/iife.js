import { Siskin } from 'siskin';
import { report, trySiskin } from './try_siskin.js';

// A script that is no module does not know its address.
report(trySiskin(Siskin, { workerUrl: 'siskin/worker.js', wasmBaseUrl: 'siskin/wasm' }));
