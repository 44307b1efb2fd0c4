// This script measures calls of tools by a real model in headless Chromium: 30 prompts with 1 to 20
// tools. Each is answered whole, streamed, and in one more way, which are taken in turns: by
// OpenAI's client, whole or streamed, by `runTools` of Siskin or of the client, and by the AI SDK,
// whole and streamed. Every call must parse and fit the schema of its tool.
//
// node scripts/tools.mjs MODEL.gguf [FIRST [END]] [--auto] [--all]
//
// FIRST and END choose some of the prompts. With --auto the model may answer without a call; else
// it must call a tool. --all takes all ways for each prompt. The package must be built (./build.sh
// build).
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPackages, run } from '../tests/package/helpers.mjs';
import { launchChromium } from './chromium.mjs';
import { startServer } from './serve.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const Ajv = createRequire(join(ROOT, 'pkg/package.json'))('ajv');
const { values, positionals } = parseArgs({
  options: { auto: { type: 'boolean', default: false }, all: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const { auto, all } = values;
const [file, first = '0', end = '30'] = positionals;

const text = (maxLength = 40) => ({ type: 'string', maxLength });
const whole = (minimum, maximum) => ({ type: 'integer', minimum, maximum });
const oneOf = (...values) => ({ type: 'string', enum: values });

/** Each row is: name, what it does, its arguments, and those that may be left out. */
const TOOLS = [
  [
    'get_weather',
    'Returns the weather of a city.',
    { city: text(), unit: oneOf('celsius', 'fahrenheit') },
    ['unit'],
  ],
  [
    'send_email',
    'Sends an email.',
    { to: { type: 'string', format: 'email', maxLength: 40 }, subject: text(), body: text(120) },
  ],
  ['add', 'Adds two numbers.', { a: { type: 'number' }, b: { type: 'number' } }],
  [
    'create_event',
    'Makes an appointment.',
    { title: text(), date: { type: 'string', format: 'date' }, minutes: whole(5, 480) },
  ],
  ['search', 'Searches the web.', { query: text(), limit: whole(1, 10) }, ['limit']],
  ['translate', 'Translates a text.', { text: text(80), to: oneOf('de', 'fr', 'es', 'it') }],
  [
    'set_light',
    'Switches a lamp.',
    { room: oneOf('kitchen', 'bedroom', 'hall'), on: { type: 'boolean' }, level: whole(0, 100) },
    ['level'],
  ],
  ['play_music', 'Plays music.', { artist: text(), shuffle: { type: 'boolean' } }, ['shuffle']],
  [
    'book_table',
    'Books a table.',
    {
      restaurant: text(),
      people: whole(1, 12),
      time: { type: 'string', pattern: '^[0-2][0-9]:[0-5][0-9]$' },
    },
  ],
  [
    'convert_currency',
    'Converts money.',
    {
      amount: { type: 'number', minimum: 0 },
      from: oneOf('EUR', 'USD', 'GBP'),
      to: oneOf('EUR', 'USD', 'GBP'),
    },
  ],
  [
    'set_alarm',
    'Sets an alarm.',
    {
      hour: whole(0, 23),
      minute: whole(0, 59),
      days: {
        type: 'array',
        items: oneOf('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'),
        maxItems: 7,
      },
    },
    ['days'],
  ],
  [
    'add_note',
    'Writes a note.',
    { note: text(80), tags: { type: 'array', items: text(12), maxItems: 3 } },
  ],
  [
    'find_flight',
    'Finds flights.',
    {
      from: text(),
      to: text(),
      date: { type: 'string', format: 'date' },
      cabin: oneOf('economy', 'business'),
    },
  ],
  [
    'get_stock',
    'Returns the price of a share.',
    { symbol: { type: 'string', pattern: '^[A-Z]{1,5}$' } },
  ],
  [
    'order_item',
    'Orders things.',
    {
      items: {
        type: 'array',
        minItems: 1,
        maxItems: 3,
        items: {
          type: 'object',
          properties: { name: text(30), quantity: whole(1, 99) },
          required: ['name', 'quantity'],
          additionalProperties: false,
        },
      },
    },
  ],
  [
    'set_temperature',
    'Sets the heating.',
    { degrees: { type: 'number', minimum: 5, maximum: 30 } },
  ],
  ['call_contact', 'Calls someone.', { name: text(), video: { type: 'boolean' } }, ['video']],
  [
    'get_route',
    'Finds a way.',
    { from: text(), to: text(), by: oneOf('car', 'train', 'bike', 'foot') },
  ],
  [
    'report_bug',
    'Reports a fault.',
    { title: text(), severity: { anyOf: [oneOf('low', 'high'), whole(1, 5)] } },
  ],
  ['current_time', 'Returns the time.', {}],
].map(([name, description, properties, optional = []]) => ({
  name,
  description,
  parameters: {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((field) => !optional.includes(field)),
    additionalProperties: false,
  },
}));

const PROMPTS = [
  'How is the weather in Oslo?',
  'Is it warm in Rome today, in Celsius?',
  'Write to ann@example.org that I am late.',
  'Email bob@example.com about lunch on Friday.',
  'What is 17.5 plus 4?',
  'Add 120 and 350.',
  'Dentist on 2026-12-03 for half an hour.',
  'Plan a meeting with Tom on 2027-01-15.',
  'Search for cheap bicycles.',
  'Find me five pages about birds.',
  'Say "good morning" in German.',
  'Translate "where is the station" into French.',
  'Switch on the kitchen lamp.',
  'Make it dark in the bedroom.',
  'Play something by Miles Davis.',
  'A table for four at Luigi at 19:30.',
  'How many dollars are 50 euros?',
  'Wake me at 6:45 on weekdays.',
  'Note: buy milk and bread.',
  'A flight from Berlin to Lisbon on 2026-12-20.',
  'What is the price of AAPL?',
  'Order two notebooks and a pen.',
  'Set the heating to 21 degrees.',
  'Call my mother.',
  'How do I get from Bath to Bristol by train?',
  'The login page is broken, this is urgent.',
  'What time is it?',
  'Convert 20 pounds to euros.',
  'Remind me of the party: write a note.',
  'Is it raining in Paris? Then call Anna.',
];

const folder = await mkdtemp(join(tmpdir(), 'siskin-tools-'));
const modules = join(await installPackages('ai-sdk'), 'node_modules');
await run(
  join(modules, '.bin/esbuild'),
  [
    join(ROOT, 'tests/package/apps/ai-sdk/main.js'),
    '--bundle',
    '--format=esm',
    '--define:process.env.NODE_ENV="production"',
    `--outfile=${join(folder, 'app.js')}`,
  ],
  { env: { ...process.env, NODE_PATH: modules } },
);
const server = await startServer({
  routes: {
    '/': (_, response) =>
      response
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end('<!doctype html><title>Tools</title>'),
    '/lib/': join(ROOT, 'pkg/dist'),
    '/openai/': join(ROOT, 'pkg/node_modules/openai7'),
    '/app/': folder,
    '/model.gguf': resolve(file),
  },
});
const browser = await launchChromium([]);
const found = { prompts: 0, answers: 0, calls: 0, wrong: 0 };
try {
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.evaluate(load);
  for (let index = Number(first); index < Number(end); index += 1) {
    // Sets of tools that begin alike are read once.
    const tools = TOOLS.slice(0, 1 + (((index * 19) / (PROMPTS.length - 1)) | 0));
    const begin_ms = Date.now();
    const request = { prompt: PROMPTS[index], tools, auto, all, seed: index };
    const ways = await page.evaluate(ask, request);
    found.prompts += 1;
    for (const [way, calls] of Object.entries(ways)) check(index, way, calls, tools);
    const seconds = Math.round((Date.now() - begin_ms) / 1000);
    console.error(
      `${index}: ${tools.length} tools, ${seconds} s: ${JSON.stringify(ways.own?.[0] ?? null)}`,
    );
  }
} finally {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
}
console.log(
  `${basename(file)}: ${found.prompts} prompts, ${found.answers} answers with a call, ` +
    `${found.calls} calls, ${found.wrong} wrong`,
);
process.exit(found.wrong > 0 ? 1 : 0);

/** Counts the calls of an answer, and those that do not fit. */
function check(index, way, calls, tools) {
  found.answers += calls.length > 0 ? 1 : 0;
  const complain = (why) => {
    found.wrong += 1;
    console.error(`WRONG ${index} ${way}: ${why}`);
  };
  if (!auto && calls.length === 0) complain('no call');
  for (const { name, arguments: given } of calls) {
    found.calls += 1;
    const tool = tools.find((tool) => tool.name === name);
    const ajv = new Ajv({ format: 'full' });
    try {
      if (!tool) complain(`no tool ${name}`);
      else if (!ajv.validate(tool.parameters, JSON.parse(given)))
        complain(`${ajv.errorsText()}: ${given}`);
    } catch (error) {
      complain(`${error.message}: ${given}`);
    }
  }
}

/** Loads the model. Runs in the page. */
async function load() {
  const [{ Siskin }, { createSiskin }, { OpenAI }, app] = await Promise.all([
    import('/lib/siskin.js'),
    import('/lib/ai_sdk.js'),
    import('/openai/index.mjs'),
    import('/app/app.js'),
  ]);
  const siskin = await Siskin.load('/model.gguf', { contextTokens: 4096 });
  const openai = new OpenAI({
    fetch: siskin.fetch,
    baseURL: 'https://siskin.local/v1',
    apiKey: '-',
    dangerouslyAllowBrowser: true,
  });
  Object.assign(window, { siskin, openai, app, caller: createSiskin(siskin).languageModel() });
}

/** Returns the calls of each way. Runs in the page. */
async function ask({ prompt, tools, auto, all, seed }) {
  const { siskin, openai, app, caller } = window;
  const body = {
    model: 'any',
    messages: [{ role: 'user', content: prompt }],
    tools: tools.map((tool) => ({ type: 'function', function: tool })),
    tool_choice: auto ? 'auto' : 'required',
    max_tokens: 200,
    temperature: 0.7,
    seed,
  };
  const callsOf = ({ choices }) =>
    (choices[0].finish_reason === 'length' ? [] : (choices[0].message.tool_calls ?? [])).map(
      (call) => call.function,
    );
  const runnable = (given) => ({
    ...body,
    tools: tools.map((tool) => ({
      type: 'function',
      function: {
        ...tool,
        function: (text) => given.push({ name: tool.name, arguments: text }) && 'It is done.',
        parse: (text) => text,
      },
    })),
  });
  const plain = (calls) =>
    calls.map(({ name, input }) => ({ name, arguments: JSON.stringify(input) }));
  const stream = { ...body, stream: true };
  const ways = {
    own: async () => callsOf(await siskin.chat.completions.create(body)),
    'own stream': async () =>
      callsOf(await (await siskin.chat.completions.create(stream)).finalChatCompletion()),
    client: async () => callsOf(await openai.chat.completions.create(body)),
    'client stream': async () =>
      callsOf(await openai.chat.completions.stream(body).finalChatCompletion()),
    'own runTools': async () => {
      const given = [];
      await siskin.chat.completions.runTools(runnable(given), { maxChatCompletions: 2 });
      return given;
    },
    'client runTools': async () => {
      const given = [];
      const runner = openai.chat.completions.runTools(runnable(given), { maxChatCompletions: 2 });
      await runner.done().catch(() => {});
      return given;
    },
    ...(!auto && {
      'AI SDK, whole and streamed': async () => {
        const { whole, streamed } = await app.tools({ caller, prompt, tools });
        return [...plain(whole), ...plain(streamed)];
      },
    }),
  };
  const names = Object.keys(ways);
  const chosen = all ? names : [names[0], names[1], names[2 + (seed % (names.length - 2))]];
  const calls = {};
  for (const name of chosen) calls[name] = await ways[name]();
  return calls;
}
