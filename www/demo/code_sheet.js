/** This module shows the code that does what is on the screen, to be copied into a project. */
import { announce, byId, copyButton } from './dom.js';
import { KNOBS } from './settings.js';
import { classify } from './tasks/classify.js';
import { extract } from './tasks/extract.js';
import { readReceipt } from './tasks/receipt.js';

/**
 * What is on the screen.
 *
 * @typedef {object} Screen
 * @property {'chat' | 'classify' | 'write' | 'extract' | 'receipt'} tab
 * @property {string | undefined} source the model's address; undefined for a file of the visitor
 * @property {{role: string, content: string}[]} messages
 * @property {Record<string, unknown>} request the settings of a chat request
 * @property {string} text
 * @property {string[]} words
 */

const LATIN = /^[\w$]+$/;

/**
 * Returns a module that does what is on the screen, and writes the answer into its page.
 *
 * @param {Screen} screen
 * @returns {string}
 */
export function codeFor({ tab, source, messages, request, text, words }) {
  const model = source === undefined ? 'file' : literal(source);
  const head =
    "import { Siskin } from 'siskin';\n\n" +
    (source === undefined
      ? '// file is a File, such as the one of an <input type="file">.\n'
      : '') +
    `const siskin = await Siskin.load(${model});\n`;
  if (tab === 'classify')
    return `${head}const labels = ${literal(words)};
const shares = await classify(siskin, ${literal(text)}, labels);
document.body.append(JSON.stringify(shares));

${sourceOf(classify)}`;
  if (tab === 'write')
    return `${head}const { correctedInput } = await siskin.proofread(${literal(text)});
document.body.append(correctedInput);
`;
  if (tab === 'extract')
    return `${head}const fields = ${literal(words)};
const facts = await extract(siskin, ${literal(text)}, fields);
document.body.append(JSON.stringify(facts));

${sourceOf(extract)}`;
  if (tab === 'receipt')
    return `${head}const receipt = await readReceipt(siskin, ${literal(text)});
document.body.append(JSON.stringify(receipt));

${sourceOf(readReceipt)}`;
  const options = Object.entries(request).map(([name, value]) => `  ${name}: ${literal(value)},\n`);
  return `${head}const messages = [
${messages.map((message) => `  ${literal(message)},\n`).join('')}];
const chunks = await siskin.chat.completions.create({
  messages,
  stream: true,
${options.join('')}});
for await (const chunk of chunks) document.body.append(chunk.choices[0].delta.content);
`;
}

/**
 * @param {Function} run
 * @returns {string} its text, without the types in comments
 */
function sourceOf(run) {
  return `${String(run).replace(/\/\*\*.*?\*\/ /g, '')}\n`;
}

/**
 * @param {unknown} value what JSON can hold
 * @returns {string} as a person would write it
 */
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([name, value]) => `${LATIN.test(name) ? name : literal(name)}: ${literal(value)}`,
    );
    return `{ ${entries.join(', ')} }`;
  }
  if (typeof value !== 'string') return JSON.stringify(value);
  const text = JSON.stringify(value);
  return value.includes("'") ? text : `'${text.slice(1, -1).replaceAll('\\"', '"')}'`;
}

/**
 * Lets the button open the sheet.
 *
 * @param {() => Screen} screen returns what is on the screen
 */
export function codeSheet(screen) {
  const sheet = /** @type {HTMLDialogElement} */ (byId('code'));
  byId('code-button').addEventListener('click', () => {
    const text = codeFor(screen());
    byId('code-text').textContent = text;
    byId('code-copy').replaceChildren(copyButton(text, 'Copy', 'Copy code'));
    sheet.showModal();
    announce('The code for what is on the screen.');
  });
  sheet.addEventListener('click', (event) => {
    if (event.target === sheet) sheet.close();
  });
}

/**
 * Returns the settings of a chat request that are not the defaults of the library.
 *
 * @param {Record<string, unknown>} request
 * @returns {Record<string, unknown>}
 */
export function changedSettings(request) {
  const defaults = new Map(KNOBS.map(({ name, library_default }) => [name, library_default]));
  return Object.fromEntries(
    Object.entries(request).filter(
      ([name, value]) =>
        value !== defaults.get(name) && !(name === 'context_overflow' && value === 'error'),
    ),
  );
}
