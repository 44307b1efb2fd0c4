// This is the service worker of a site with Siskin. Copy it beside the site's pages: it serves its
// folder and everything below. It expects the library in lib/ beside it.
import './lib/service_worker.js';
