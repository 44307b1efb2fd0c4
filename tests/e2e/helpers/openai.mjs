// This module serves OpenAI's client to pages as it is published: its ES modules, file by file.
import { join } from 'node:path';
import { ROOT } from './harness.mjs';

const FOLDER = join(ROOT, 'pkg/node_modules/openai7');

/** `cannotRun` takes this entry. */
export const OPENAI = [join(FOLDER, 'index.mjs'), 'npm ci in pkg/ brings openai7'];

/** Routes of the test server: `/openai/index.mjs` is the client. */
export const openaiRoutes = { '/openai/': FOLDER };
