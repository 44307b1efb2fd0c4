// The engine lives in an offscreen document: Chrome ends this service worker when it is idle.
import { Siskin } from './siskin/siskin.js';

globalThis.here = Siskin.load('model.gguf').catch(({ code }) => code);
globalThis.offscreen = chrome.offscreen.createDocument({
  url: 'offscreen.html?model=model.gguf',
  reasons: ['WORKERS'],
  justification: 'The language model runs in a worker.',
});
