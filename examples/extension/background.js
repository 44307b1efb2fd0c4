// The toolbar button opens the side panel. The model is loaded by the panel's page and not here,
// because Chrome ends an extension's service worker when it is idle.
chrome.sidePanel.setPanelBehavior({ openPanelOnActionClick: true });
