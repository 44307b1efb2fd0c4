/**
 * This module is the library's worker with a counter of its requests; its name is the channel on
 * which it tells the page of them.
 */
import { openChannel, watchRequests } from './requests.js';
import '../lib/worker.js';

const channel = openChannel(self.name);
watchRequests((requests) => channel?.postMessage(requests));
