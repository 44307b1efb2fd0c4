// This module stands in for the browser's workers: each is a host with an engine that only repeats
// what it is told.
import { EngineHost } from '../../../www/lib/engine/engine_host.js';
import { FakeRunner } from './fake_runner.mjs';

export class FakeWorker extends EventTarget {
  /** Holds the workers that were not ended. @type {Set<FakeWorker>} */
  static running = new Set();
  /** Every runner that was started, with its log. @type {FakeRunner[]} */
  static runners = [];
  /** An error here fails the loading of those that are started then. */
  static failure;
  /** Those that are started then take this long. */
  static start_ms = 0;
  runner = new FakeRunner();
  #ports = [];
  #frozen = false;

  constructor() {
    super();
    const { port1, port2 } = new MessageChannel();
    this.#ports = [port1, port2];
    port1.onmessage = ({ data }) => this.dispatchEvent(new MessageEvent('message', { data }));
    this.runner.failure = FakeWorker.failure;
    const host = new EngineHost(this.runner);
    const serve = host.serve.bind(host);
    // A worker that is frozen receives nothing, and keeps its locks.
    host.serve = (port, options) => {
      const close = serve(port, options);
      this.#ports.push(port);
      const { onmessage } = port;
      port.onmessage = (event) => this.#frozen || onmessage(event);
      return close;
    };
    const start = () => host.serve(port2, { is_owner: true });
    if (FakeWorker.start_ms > 0) setTimeout(start, FakeWorker.start_ms);
    else start();
    FakeWorker.running.add(this);
    FakeWorker.runners.push(this.runner);
  }

  set onmessage(listener) {
    this.addEventListener('message', listener);
  }

  postMessage(message, transfer) {
    this.#ports[0].postMessage(message, transfer);
  }

  freeze() {
    this.#frozen = true;
  }

  terminate() {
    for (const port of this.#ports) port.close();
    FakeWorker.running.delete(this);
  }
}
