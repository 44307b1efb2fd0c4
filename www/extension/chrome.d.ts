/** The extension's APIs: what a call takes and gives is checked where it is used. */
declare const chrome: any;
