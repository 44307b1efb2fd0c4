/**
 * This module says which label fits a text, without writing a word: the model tells how likely it
 * finds each label after the text.
 */

/** @import { Siskin } from '../../lib/index.js' */

/** @typedef {{label: string, probability: number}} LabelShare */

/**
 * @param {Siskin} siskin
 * @param {string} text
 * @param {string[]} labels
 * @param {AbortSignal} [signal]
 * @returns {Promise<LabelShare[]>} the likeliest first; the probabilities add up to 1
 */
export async function classify(siskin, text, labels, signal) {
  const logProbability = async (/** @type {string} */ input, /** @type {string} */ label) => {
    const prompt = [...(await siskin.tokenize(`Text: ${input}\nCategory:`))];
    const answer = [...(await siskin.tokenize(` ${label}`))];
    const { log_probabilities } = await siskin.score([...prompt, ...answer], { signal });
    return log_probabilities.slice(prompt.length - 1).reduce((sum, value) => sum + value, 0);
  };
  const scores = /** @type {number[]} */ ([]);
  for (const label of labels) {
    // Some labels are likely after any text: that is taken off.
    scores.push((await logProbability(text, label)) - (await logProbability('N/A', label)));
  }
  const weights = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return labels
    .map((label, index) => ({ label, probability: weights[index] / sum }))
    .sort((a, b) => b.probability - a.probability);
}
