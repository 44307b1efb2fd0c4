/** This module holds types of structured output, and of adapters in a request. It has no code. */

/**
 * A `ToolCallDelta` is a call of a tool, whole, as OpenAI's streams have it.
 *
 * @typedef {object} ToolCallDelta
 * @property {number} index
 * @property {string} id by which a message of the role `tool` answers it
 * @property {'function'} type
 * @property {{name: string, arguments: string}} function `arguments` is an object in JSON
 */

/**
 * A `ChoiceProbability` says how likely the model finds a label of `choice`.
 *
 * @typedef {object} ChoiceProbability
 * @property {string} label
 * @property {number} probability among the labels: they sum to 1
 * @property {number} logprob the sum of its tokens' log-probabilities, by the model alone
 */

/**
 * A `ResponseFormat` is OpenAI's: any text, a JSON object, or JSON that fits a schema.
 *
 * @typedef {{type: 'text'} | {type: 'json_object'} | {
 *   type: 'json_schema',
 *   json_schema: {
 *     name: string,
 *     description?: string,
 *     schema?: Record<string, unknown>,
 *     strict?: boolean | null,
 *   },
 * }} ResponseFormat
 */

/**
 * An `AssistantMessage` is an answer. Messages of a request may have it as it is.
 *
 * @typedef {object} AssistantMessage
 * @property {'assistant'} role
 * @property {string} content empty where the model called tools and wrote nothing else
 * @property {null} refusal
 * @property {string} [reasoning_content] the model's thoughts, if it had any; not OpenAI's
 * @property {ToolCall[]} [tool_calls] what the model calls
 */

/** @typedef {Omit<ToolCallDelta, 'index'>} ToolCall */

/**
 * @typedef {object} Delta
 * @property {'assistant'} [role] on the first chunk
 * @property {string} content
 * @property {string} [reasoning_content] a part of the model's thoughts; not OpenAI's
 * @property {ToolCallDelta[]} [tool_calls] calls, each whole
 */

/**
 * A `LoraScale` says how strong an adapter is, in llama.cpp's form.
 *
 * @typedef {object} LoraScale
 * @property {number} id the adapter's place in `adapters` of `Siskin.load`, from 0
 * @property {number} scale 1 is as it was trained
 */

/** @typedef {'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'} ReasoningEffort */

export {};
