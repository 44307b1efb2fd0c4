import { Siskin } from './siskin/siskin.js';
import { report, trySiskin } from './try_siskin.js';

report(trySiskin(Siskin));
chrome.runtime.onMessage.addListener((_message, _sender, answer) => {
  globalThis.result.then(answer);
  return true;
});
