globalThis.result = chrome.runtime.sendMessage('what came of it?');
