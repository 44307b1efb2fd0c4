/**
 * This module reads addresses of models: short forms, links to a file's web page, and what in an
 * address is secret.
 */
import { SiskinError } from '../errors.js';

/** Hugging Face serves its models from this host; `hf.co` redirects there. */
const HUGGING_FACE = 'https://huggingface.co';
const HUGGING_FACE_HOSTS = ['huggingface.co', 'hf.co'];

/** `fetch` takes these schemes; pages of extensions have their own. */
const SCHEMES = ['http:', 'https:', 'blob:', 'data:', 'chrome-extension:', 'moz-extension:'];

/**
 * Parameters with these names sign an address, or name who may use it: those of Amazon S3, Google
 * Cloud, Azure, CloudFront, Akamai, Alibaba and Hugging Face's storage, and what else is named so.
 */
const SECRET_PARAMETERS = [
  /(token|signature|secret|password|credentials?|jwt|hmac|authorization)$/i,
  /(api|access)[-_]?key([-_]?id)?$/i,
  /^(sig|sign|auth|policy|key-pair-id|hdnts|hdnea|hdntl)$/i,
  /^x-(amz|goog|oss|bce|cos|obs|xet)-/i,
];
/** Parameters with these names belong to a signature, where there is one. */
const SIGNED_PARAMETERS =
  /^(expires?|exp|googleaccessid|s[eiprtv]|spr|srt|ss|sdd|sk(oid|tid|t|e|s|v)|x-id|response-.*)$/i;
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * Returns the absolute address of what a caller gave. `hf:owner/repo/file.gguf` and
 * `hf:owner/repo@revision/file.gguf` are a file on Hugging Face, whose links to a file's page are
 * turned into those of the file.
 *
 * @param {string | URL} given
 * @returns {URL} without a fragment
 * @throws {SiskinError} `invalid_argument`
 */
export function readAddress(given) {
  const text = String(given);
  let url;
  try {
    url = /^hf:/i.test(text)
      ? huggingFaceFile(text)
      : new URL(text, globalThis.document?.baseURI ?? globalThis.location?.href);
  } catch (cause) {
    if (cause instanceof SiskinError) throw cause;
    throw new SiskinError(
      'invalid_argument',
      `"${given}" is not a URL. Give the address of a GGUF file.`,
      { cause },
    );
  }
  if (!SCHEMES.includes(url.protocol))
    throw new SiskinError(
      'invalid_argument',
      `A model cannot be fetched from "${url.protocol}". Give an https address, or open ` +
        'the file itself.',
    );
  url.hash = '';
  if (HUGGING_FACE_HOSTS.includes(url.hostname)) {
    url.host = new URL(HUGGING_FACE).host;
    url.pathname = url.pathname.replace(/^(\/[^/]+\/[^/]+)\/(blob|raw)\//, '$1/resolve/');
    if (url.searchParams.has('download')) url.searchParams.delete('download');
  }
  return url;
}

/** @param {string} text */
function huggingFaceFile(text) {
  const [, repository, revision = 'main', file] =
    /^hf:\/{0,2}([^/@]+\/[^/@]+)(?:@([^/]+))?\/(.*[^/])$/i.exec(text) ?? [];
  if (!file)
    throw new SiskinError(
      'invalid_argument',
      `"${text}" names no file. Write hf:owner/repository/file.gguf, or with a revision ` +
        'hf:owner/repository@revision/file.gguf.',
    );
  return new URL(`${HUGGING_FACE}/${repository}/resolve/${revision}/${file}`);
}

/**
 * Returns a sentence for a caller whose address was not found, if it may be the name of a
 * repository.
 *
 * @param {unknown} given
 * @returns {string | undefined}
 */
export function addressHint(given) {
  if (typeof given !== 'string' || !/^[\w-][\w.-]*\/[\w.-]+(\/[^?#]*)?$/.test(given))
    return undefined;
  const file = given.split('/').length > 2 ? given : `${given.replace(/\/$/, '')}/FILE.gguf`;
  return `For a file on Hugging Face write hf:${file}.`;
}

/**
 * Returns an address without what is secret in it: a user and password, and parameters that sign
 * the address. It may be written to the disk, and it is the same for all signed addresses of a
 * file.
 *
 * @param {string} url absolute
 * @returns {string}
 */
export function publicAddress(url) {
  const address = new URL(url);
  if (!/^https?:$/.test(address.protocol)) return url;
  address.username = address.password = '';
  const entries = [...address.searchParams];
  const isSecret = (/** @type {[string, string]} */ [name, value]) =>
    SECRET_PARAMETERS.some((pattern) => pattern.test(name)) || JWT.test(value);
  if (!entries.some(isSecret)) return address.href;
  for (const [name, value] of entries)
    if (isSecret([name, value]) || SIGNED_PARAMETERS.test(name)) address.searchParams.delete(name);
  return address.href;
}
