// A buffer that is bound as a uniform: 64 KiB are what every device takes.
const CONSTANTS = 4096u;                  // vec4
