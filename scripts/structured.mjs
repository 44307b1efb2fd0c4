// node scripts/structured.mjs checks the answers of a real model, which `SISKIN_STRUCTURED=200 cargo
// test --release --test grammar real_answers` wrote, by ajv: each must parse and fit its schema.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../pkg/package.json', import.meta.url));
const Ajv = require('ajv');
const ajv = new Ajv({ strict: false, allErrors: true });

let wrong = 0;
let cut = 0;
const lines = readFileSync('target/structured.jsonl', 'utf8').trim().split('\n');
for (const line of lines) {
  const { schema, text, cut: is_cut } = JSON.parse(line);
  if (is_cut) {
    cut += 1;
    continue;
  }
  const fits = ajv.compile(schema);
  if (fits(JSON.parse(text))) continue;
  wrong += 1;
  console.error(JSON.stringify(schema), text, ajv.errorsText(fits.errors));
}
console.log(`${lines.length} answers: ${cut} cut, ${wrong} do not fit`);
process.exit(wrong > 0 ? 1 : 0);
