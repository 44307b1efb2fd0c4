// This module must be imported before the library: a port that the library listens to from the
// start would keep the test's process from ending.
import { mock } from 'node:test';

const ports = [];
mock.method(
  globalThis,
  'MessageChannel',
  class extends MessageChannel {
    constructor() {
      super();
      ports.push(this.port1, this.port2);
    }
  },
);
await import('../../../www/lib/model/yield_to_messages.js');
mock.restoreAll();
for (const port of ports) port.unref();
