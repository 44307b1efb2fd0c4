// This script loads a model from the extension's own files and answers questions, one at a time.
import { Siskin } from './siskin/siskin.js';

const [form, question, ask, status, answer] = ['form', 'question', 'ask', 'status', 'answer'].map(
  (id) => document.getElementById(id),
);

try {
  const siskin = await Siskin.load('./models/model.gguf');
  const { backend, threads } = siskin.info;
  status.textContent = `Ready: the model computes on the ${backend}, on ${threads} thread(s).`;
  ask.disabled = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask.disabled = true;
    write(siskin, question.value)
      .catch(showError)
      .finally(() => (ask.disabled = false));
  });
} catch (error) {
  showError(error);
}

async function write(siskin, content) {
  answer.textContent = '';
  const messages = [{ role: 'user', content }];
  const chunks = await siskin.chat.completions.create({ messages, stream: true, max_tokens: 200 });
  for await (const chunk of chunks) answer.append(chunk.choices[0].delta.content ?? '');
}

function showError(error) {
  // Errors of Siskin say what to do, and have a code for programs.
  status.textContent = `${error.message} (${error.code ?? error.name})`;
}
