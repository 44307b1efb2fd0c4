// The service worker of a site with Siskin. Copy it beside the site's pages, for it serves what lies in its folder and below. The library is expected
// in lib/ beside it.
import './lib/service_worker.js';
