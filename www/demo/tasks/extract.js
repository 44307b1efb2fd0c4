/**
 * This module takes facts out of a text. The model is shown one example and writes JSON; what it
 * says is looked up in the text, because small models also make things up.
 */

/** @import { Siskin } from '../../lib/index.js' */

/**
 * @typedef {object} Fact
 * @property {string} field
 * @property {string} value empty where the model says nothing
 * @property {boolean} is_quoted whether the text has the value word for word
 */

/**
 * @param {Siskin} siskin
 * @param {string} text
 * @param {string[]} fields
 * @param {AbortSignal} [signal]
 * @returns {Promise<Fact[]>} in the order of the fields
 */
export async function extract(siskin, text, fields, signal) {
  const letter = 'The lamps from Acme arrived on 5 May. Best wishes, Tom Reed, tom@acme.example';
  const facts = { name: 'Tom Reed', company: 'Acme', email: 'tom@acme.example', date: '5 May' };
  const { choices } = await siskin.chat.completions.create({
    messages: [
      { role: 'user', content: `Text: ${letter}\n\nAs JSON: ${Object.keys(facts).join(', ')}` },
      { role: 'assistant', content: JSON.stringify(facts) },
      { role: 'user', content: `Text: ${text}\n\nAs JSON: ${fields.join(', ')}` },
    ],
    temperature: 0,
    max_tokens: 40 * fields.length,
    signal,
  });
  const pairs = choices[0].message.content.matchAll(/"([^"]+)"\s*:\s*"?([^"}\n]*)/g);
  const plain = (/** @type {string} */ name) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const values = new Map(
    [...pairs].reverse().map(([, name, value]) => [plain(name), value.replace(/,$/, '').trim()]),
  );
  return fields.map((field) => {
    const value = values.get(plain(field)) ?? '';
    return { field, value, is_quoted: text.toLowerCase().includes(value.toLowerCase()) };
  });
}
