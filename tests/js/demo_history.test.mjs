// What the demo keeps of conversations, sends of them, and writes into files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileName, toJson, toMarkdown } from '../../www/demo/chat/export.js';
import { History, newConversation, requestMessages, titleOf } from '../../www/demo/chat/history.js';

const user = (content) => ({ role: 'user', content });
const assistant = (content, more) => ({ role: 'assistant', content, ...more });

test('what has no answer is not sent again, and no answer is empty', () => {
  assert.deepEqual(
    requestMessages([
      user('stopped at once'),
      user('one'),
      assistant('1', { model: 'M', notes: '3 tokens' }),
      user('failed'),
      user('empty'),
      assistant(''),
      user('two'),
    ]),
    [user('one'), assistant('1'), user('two')],
  );
  assert.deepEqual(requestMessages([user('one')]), [user('one')]);
});

test('titles are the beginning of the first message', () => {
  assert.equal(titleOf({ messages: [] }), 'New chat');
  assert.equal(titleOf({ messages: [user('  two\n words ')] }), 'two words');
  const title = titleOf({ messages: [user('🐦'.repeat(100))] });
  assert.equal([...title].length, 60);
  assert.ok(title.isWellFormed(), 'no character is cut in two');
});

test('a conversation as Markdown and as JSON', () => {
  const conversation = {
    id: 'x',
    updated_ms: Date.UTC(2026, 0, 2),
    messages: [user('Why?'), assistant('**So.**', { model: 'M', notes: '3 tokens' })],
  };
  assert.equal(
    toMarkdown(conversation),
    '# Why?\n\n## You\n\nWhy?\n\n## M\n\n**So.**\n\n*3 tokens*\n',
  );
  const parsed = JSON.parse(toJson(conversation));
  assert.equal(parsed.updated, '2026-01-02T00:00:00.000Z');
  assert.deepEqual(requestMessages(parsed.messages), [user('Why?'), assistant('**So.**')]);
  assert.equal(fileName(conversation, 'md'), 'why.md');
  assert.equal(fileName({ messages: [user('../../a: "b"')] }, 'json'), 'a-b.json');
  assert.equal(fileName({ messages: [user('???')] }, 'json'), 'chat.json');
});

test('without IndexedDB conversations last as long as the page', async () => {
  const history = new History();
  assert.equal(await history.isKept(), false);
  const first = { ...newConversation(), updated_ms: 1, messages: [user('first')] };
  const second = { ...newConversation(), updated_ms: 2, messages: [user('second')] };
  await history.put(first);
  await history.put(second);
  first.messages.push(assistant('changed later'));
  assert.deepEqual(
    (await history.list()).map(({ messages }) => messages),
    [[user('second')], [user('first')]],
  );
  await history.remove(second.id);
  assert.equal(await history.get(second.id), undefined);
  await history.clear();
  assert.deepEqual(await history.list(), []);
});
