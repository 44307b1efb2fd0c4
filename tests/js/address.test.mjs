// These tests read addresses of models: short forms, what is secret, and what a model is known by.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressHint, publicAddress, readAddress } from '../../www/lib/model/address.js';
import { urlSource } from '../../www/lib/model/source.js';

const QWEN = 'https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct-GGUF';
const FILE = 'qwen2.5-0.5b-instruct-q4_k_m.gguf';

test('short forms and links of Hugging Face', () => {
  for (const [given, read] of [
    [`hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/${FILE}`, `${QWEN}/resolve/main/${FILE}`],
    [`hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF/${FILE}`, `${QWEN}/resolve/main/${FILE}`],
    [`hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF@9217f5d/${FILE}`, `${QWEN}/resolve/9217f5d/${FILE}`],
    [
      'hf:a/b@refs%2Fpr%2F1/in/a/folder.gguf',
      'https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/in/a/folder.gguf',
    ],
    [`${QWEN}/blob/main/${FILE}`, `${QWEN}/resolve/main/${FILE}`],
    [`${QWEN}/raw/main/${FILE}#x`, `${QWEN}/resolve/main/${FILE}`],
    [`${QWEN}/resolve/main/${FILE}?download=true`, `${QWEN}/resolve/main/${FILE}`],
    [
      'https://hf.co/a/b/blob/main/blob/c.gguf',
      'https://huggingface.co/a/b/resolve/main/blob/c.gguf',
    ],
    ['https://example.org/a/b/blob/main/c.gguf', 'https://example.org/a/b/blob/main/c.gguf'],
    ['https://example.org/a?download=true&b=%20', 'https://example.org/a?download=true&b=%20'],
  ])
    assert.equal(readAddress(given).href, read, given);
  for (const given of [
    'hf:',
    'hf:a',
    'hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF',
    'hf:a/b@main',
    'hf:a/b/',
  ])
    assert.throws(() => readAddress(given), {
      code: 'invalid_argument',
      message: /hf:owner\/repo/,
    });
  for (const given of ['file:///model.gguf', 'ftp://example.org/a', 'http://'])
    assert.throws(() => readAddress(given), { code: 'invalid_argument' });
});

test('what may be the name of a repository is told how to be written', () => {
  for (const [given, hint] of [
    ['Qwen/Qwen2.5-0.5B-Instruct-GGUF', /write hf:Qwen\/Qwen2.5-0.5B-Instruct-GGUF\/FILE\.gguf\./],
    ['a/b/c.gguf', /write hf:a\/b\/c\.gguf\./],
  ])
    assert.match(addressHint(given), hint);
  for (const given of [
    '/a/b.gguf',
    './a/b',
    'b.gguf',
    'https://a/b',
    '../a/b',
    new URL('http://a/b'),
  ])
    assert.equal(addressHint(given), undefined, String(given));
});

test('what signs an address, and who may use it, is not part of what is written down', () => {
  for (const [given, kept] of [
    [
      'https://b.s3.amazonaws.com/m.gguf?X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Date=D' +
        '&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=S&x-id=GetObject',
      'https://b.s3.amazonaws.com/m.gguf',
    ],
    [
      'https://storage.googleapis.com/b/m.gguf?GoogleAccessId=a&Expires=1&Signature=s&generation=7',
      'https://storage.googleapis.com/b/m.gguf?generation=7',
    ],
    [
      'https://a.blob.core.windows.net/c/m.gguf?sp=r&st=1&se=2&spr=https&sv=3&sr=b&sig=x%3D',
      'https://a.blob.core.windows.net/c/m.gguf',
    ],
    [
      'https://d.cloudfront.net/m.gguf?Expires=1&Signature=s&Key-Pair-Id=K',
      'https://d.cloudfront.net/m.gguf',
    ],
    ['https://me:pass@example.org/m.gguf', 'https://example.org/m.gguf'],
    ['https://example.org/d?file=a.gguf&access_token=t', 'https://example.org/d?file=a.gguf'],
    ['https://example.org/d?file=a.gguf&api_key=t', 'https://example.org/d?file=a.gguf'],
    [
      'https://example.org/d?file=a.gguf&v=eyJhbGciOi.eyJzdWIi.c2ln',
      'https://example.org/d?file=a.gguf',
    ],
  ])
    assert.equal(publicAddress(given), kept);
  for (const given of [
    'https://example.org/m.gguf',
    'https://example.org/d?file=a.gguf&v=3&se=1&expires=never',
    'https://example.org/d?tokenizer=a&key=models/a.gguf&q=%20+',
    'blob:https://example.org/7e1c',
    'data:;base64,R0dVRg==',
  ])
    assert.equal(publicAddress(given), given);
});

test('a model is known by its key, else by its address', () => {
  const key = (source, options) => urlSource(source, options).key;
  const signed = (by) => `https://example.org/m.gguf?Expires=${by}&Signature=${by}`;
  assert.equal(key(signed(1)), key(signed(2)));
  assert.notEqual(key('https://example.org/d?file=a'), key('https://example.org/d?file=b'));
  assert.equal(key('https://a.org/1.gguf', { cacheKey: 'm' }), 'm');
  assert.equal(urlSource(signed(1)).url, signed(1), 'the address itself stays whole');
  for (const cacheKey of ['', 7, null])
    assert.throws(() => urlSource('https://a.org/1', { cacheKey }), { code: 'invalid_argument' });
  for (const name of ['persist', 'revalidate', 'evict'])
    assert.throws(() => urlSource('https://a.org/1', { [name]: 'yes' }), {
      code: 'invalid_argument',
      message: `\`${name}\` must be true or false.`,
    });
});

test('a user and password become a header, which fetch would refuse in an address', () => {
  const { url, key, init } = urlSource('https://me:p%40ss%C3%A9@example.org/m.gguf');
  assert.deepEqual([url, key], ['https://example.org/m.gguf', 'https://example.org/m.gguf']);
  const [[name, value]] = init.headers;
  assert.equal(name, 'Authorization');
  assert.equal(Buffer.from(value.replace('Basic ', ''), 'base64').toString(), 'me:p@ssé');
});
