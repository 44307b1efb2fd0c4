import { report } from './try_siskin.js';

const worker = new Worker(`worker.js${location.search}`, { type: 'module' });
report(new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data))));
