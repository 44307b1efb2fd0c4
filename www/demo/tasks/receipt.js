/**
 * This module reads a receipt. The answer is held to a JSON schema, so that it always parses and
 * has every field, however small the model is.
 */

/** @import { Siskin } from '../../lib/index.js' */

/** @typedef {{name: string, price: number}} Item */
/** @typedef {{merchant: string, date: string, total: number, items: Item[]}} Receipt */

/**
 * @param {Siskin} siskin
 * @param {string} text
 * @param {AbortSignal} [signal]
 * @returns {Promise<Receipt>} `date` is YYYY-MM-DD
 */
export async function readReceipt(siskin, text, signal) {
  const price = { type: 'number', minimum: 0, maximum: 100000 };
  const object = (/** @type {Record<string, unknown>} */ properties) => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  });
  const item = object({ name: { type: 'string', minLength: 1, maxLength: 40 }, price });
  const schema = object({
    merchant: { type: 'string', minLength: 1, maxLength: 40 },
    date: { type: 'string', format: 'date' },
    items: { type: 'array', items: item, maxItems: 8 },
    total: price,
  });
  // An example says more to a small model than any instruction.
  const shown = 'Green Grocer, 12 High Street\n2026-05-03\nMilk 3.10\nBread 2.40\nSum 5.50';
  const answer = {
    merchant: 'Green Grocer',
    date: '2026-05-03',
    items: [
      { name: 'Milk', price: 3.1 },
      { name: 'Bread', price: 2.4 },
    ],
    total: 5.5,
  };
  const { choices } = await siskin.chat.completions.create({
    messages: [
      { role: 'user', content: `Receipt as JSON:\n${shown}` },
      { role: 'assistant', content: JSON.stringify(answer) },
      { role: 'user', content: `Receipt as JSON:\n${text}` },
    ],
    response_format: { type: 'json_schema', json_schema: { name: 'receipt', schema } },
    temperature: 0,
    max_tokens: 500,
    signal,
  });
  return JSON.parse(choices[0].message.content);
}
