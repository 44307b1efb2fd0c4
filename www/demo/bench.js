/** This module is the bench page: it measures one model on the visitor's machine. */
import { Siskin, SiskinError } from '../lib/siskin.js';
import { fillErrorCard, filePicker, startPage } from './page_frame.js';
import { announce, byId, copyButton, element } from './dom.js';
import { cell, figuresOf, markdownTable, rowsOf } from './figures.js';
import { describeBackend, formatBytes, formatCount } from './format.js';
import { MAX_GENERATE_TOKENS, SIZES, ask, prepareFirst, prepareRest } from './measure.js';
import { modelChoices, offeredModels } from './models.js';

/** @import { ModelInfo } from '../lib/index.js' */
/** @import { Prompt, Sizes, Step } from './measure.js' */

/**
 * @typedef {object} Run
 * @property {Sizes} sizes
 * @property {Readonly<ModelInfo>} [info]
 * @property {number} [load_ms]
 * @property {number} [memory_bytes]
 * @property {Step[]} steps
 */

/** @type {Record<Step['name'], string>} */
const TITLES = {
  first: 'Answering the first question',
  prefill: 'Reading a prompt',
  decode: 'Writing',
  question: 'Answering another question',
  long: 'Reading a long prompt and writing after it',
};

const MAX_PROMPT_TOKENS = 100_000;

/** @type {AbortController | undefined} */
let running;

/**
 * Loads the model and measures it. The page shows each result as soon as it is known.
 *
 * @param {{source: string | File, name: string, sha256?: string}} model
 */
async function measure({ source, name, sha256 }) {
  const controller = new AbortController();
  const { signal } = controller;
  running = controller;
  const sizes = sizesOf(location.search);
  /** @type {Run} */
  const run = { sizes, steps: [] };
  /** @type {Siskin | undefined} */
  let siskin;
  begin(name);
  try {
    const start_ms = performance.now();
    siskin = await Siskin.load(source, {
      sha256,
      signal,
      onProgress: ({ loaded_bytes, total_bytes }) =>
        total_bytes && progress(loaded_bytes / total_bytes),
    });
    run.load_ms = performance.now() - start_ms;
    run.info = siskin.info;
    showModel(source instanceof File ? siskin.info.name || name : name, siskin.info);
    show(run);
    title('Preparing the prompts');
    const { first, logit_bias } = await prepareFirst(siskin);
    for (const prompts = [first]; prompts.length > 0;) {
      const prompt = /** @type {Prompt} */ (prompts.shift());
      if (prompt.name === 'long' && !fits(siskin.info, sizes)) continue;
      title(TITLES[prompt.name]);
      const step = await ask(siskin, prompt, logit_bias, { signal, onProgress: progress });
      if (prompt === first) prompts.push(...(await prepareRest(siskin, sizes, step)));
      run.steps.push(step);
      run.memory_bytes = await siskin.memoryBytes();
      show(run);
    }
    finish(run);
  } catch (error) {
    if (error instanceof SiskinError && error.code === 'aborted') announce('Cancelled.');
    else fail(error);
  } finally {
    await siskin?.unload();
    byId('progress-card').hidden = true;
    byId('run-form').hidden = false;
    (byId('result-tools').querySelector('button') ?? byId('run-button')).focus();
    running = undefined;
  }
}

/**
 * @param {ModelInfo} info
 * @param {Sizes} sizes
 */
function fits({ context_tokens }, { long_tokens, long_generate_tokens }) {
  return context_tokens >= long_tokens + long_generate_tokens;
}

/**
 * Returns the default sizes, or those of the page's address, such as
 * `bench.html?prompt=512&generate=80&long=3000`.
 *
 * @param {string} search
 * @returns {Sizes}
 */
function sizesOf(search) {
  const given = new URLSearchParams(search);
  const whole = (
    /** @type {string} */ name,
    /** @type {number} */ usual,
    /** @type {number} */ most,
  ) => {
    const number = Number(given.get(name) ?? usual);
    return Number.isInteger(number) && number > 1 && number <= most ? number : usual;
  };
  const generate_tokens = whole('generate', SIZES.generate_tokens, MAX_GENERATE_TOKENS);
  return {
    prompt_tokens: whole('prompt', SIZES.prompt_tokens, MAX_PROMPT_TOKENS),
    generate_tokens,
    long_tokens: whole('long', SIZES.long_tokens, MAX_PROMPT_TOKENS),
    long_generate_tokens: Math.min(SIZES.long_generate_tokens, generate_tokens),
  };
}

/** @param {string} name */
function begin(name) {
  for (const id of ['run-form', 'bench-error', 'result-card', 'result-tools'])
    byId(id).hidden = true;
  byId('result-tools').replaceChildren();
  byId('progress-card').hidden = false;
  title(`Loading ${name}`);
  byId('cancel-button').focus();
}

/** @param {string} text */
function title(text) {
  byId('progress-title').textContent = text;
  byId('progress').removeAttribute('value');
  announce(text);
}

/** @param {number} share */
function progress(share) {
  /** @type {HTMLProgressElement} */ (byId('progress')).value = share;
}

/**
 * @param {string} name
 * @param {ModelInfo} info
 */
function showModel(name, info) {
  byId('result-title').textContent = `${name} (${info.file_type}, ${formatBytes(info.size_bytes)})`;
  byId('result-where').textContent = [
    browserName(navigator.userAgent),
    formatCount(navigator.hardwareConcurrency || 1, 'core'),
    describeBackend(info),
  ].join(' · ');
  byId('result-card').hidden = false;
}

/** @param {Run} run */
function show(run) {
  byId('results').replaceChildren(
    ...lines(run).map(([label, value]) => {
      const head = element('th', {}, label);
      head.scope = 'row';
      return element('tr', {}, head, element('td', {}, value));
    }),
  );
}

/**
 * @param {Run} run
 * @returns {string[][]} title and value with its unit
 */
function lines(run) {
  const figures = figuresOf(run);
  return rowsOf(run.sizes).map((row) => {
    const value = cell(row, figures);
    return [row.title, row.unit && value !== '-' ? `${value} ${row.unit}` : value];
  });
}

/** @param {Run} run */
function finish(run) {
  const date = new Date().toISOString().slice(0, 10);
  const text =
    '**Siskin**: ' +
    `${byId('result-title').textContent}\n${byId('result-where').textContent}, ` +
    `${date}\n\n${markdownTable([['', ''], ...lines(run)])}\n`;
  const buttons = { 'Copy as Markdown': text, 'Copy as JSON': json(run, date) };
  byId('result-tools').replaceChildren(
    ...Object.entries(buttons).map(([label, text]) => copyButton(text, label, label)),
  );
  byId('result-tools').hidden = false;
  announce('Done.');
}

/**
 * Returns everything that was measured and where, so that results of many machines can be compared.
 *
 * @param {Run} run
 * @param {string} date
 */
function json(run, date) {
  const { userAgent: user_agent, hardwareConcurrency: cores } = navigator;
  const { sizes, info } = run;
  const isolated = crossOriginIsolated;
  const report = { date, user_agent, cores, isolated, info, sizes, figures: figuresOf(run) };
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** @param {unknown} error */
function fail(error) {
  fillErrorCard('bench-error', error);
  byId('bench-error').hidden = false;
}

/**
 * @param {string} agent
 * @returns {string} such as "Firefox 153"
 */
function browserName(agent) {
  for (const [pattern, name] of /** @type {const} */ ([
    [/Edg\/(\d+)/, 'Edge'],
    [/Firefox\/(\d+)/, 'Firefox'],
    [/Chrome\/(\d+)/, 'Chrome'],
    [/Version\/(\d+).*Safari/, 'Safari'],
  ])) {
    const match = pattern.exec(agent);
    if (match) return `${name} ${match[1]}`;
  }
  return 'Unknown browser';
}

filePicker((file) => {
  if (!running) void measure({ source: file, name: file.name });
});
byId('cancel-button').addEventListener('click', () => running?.abort());
startPage(() => byId('main'));

const models = await offeredModels();
byId('models').replaceChildren(...modelChoices(models, ''));
/** @type {HTMLButtonElement} */ (byId('run-button')).disabled = models.length === 0;
byId('run-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const id = new FormData(/** @type {HTMLFormElement} */ (event.target)).get('model');
  const model = models.find((model) => model.id === id);
  if (model && !running) void measure(model);
});
