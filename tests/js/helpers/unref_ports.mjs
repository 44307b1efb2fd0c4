// This module must be imported before the library: a port that the library listens to would keep
// the test's process from ending.
import { after } from 'node:test';

const ports = [];
globalThis.MessageChannel = class extends MessageChannel {
  constructor() {
    super();
    ports.push(this.port1, this.port2);
  }
};
after(() => ports.forEach((port) => port.close()));
