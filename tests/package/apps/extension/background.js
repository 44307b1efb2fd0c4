// The engine lives in an offscreen document: Chrome ends this service worker when it is idle.
import { Siskin, models } from './siskin/siskin.js';

const codeOf = ({ code }) => code;
globalThis.said = [Siskin.load('model.gguf').catch(codeOf), models.list().catch(codeOf)];
globalThis.offscreen = chrome.offscreen.createDocument({
  url: 'offscreen.html?model=model.gguf',
  reasons: ['WORKERS'],
  justification: 'The language model runs in a worker.',
});
