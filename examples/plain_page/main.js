// This script loads a model and answers questions, one at a time.
import { Siskin } from './siskin/siskin.js';

const MODEL = './models/model.gguf';
const TITLE = document.title;

const [form, question, ask, status, answer] = ['form', 'question', 'ask', 'status', 'answer'].map(
  (id) => document.getElementById(id),
);

try {
  const siskin = await Siskin.load(MODEL, { onProgress: showProgress });
  document.title = TITLE;
  status.textContent = `Ready: the model computes on the ${siskin.info.backend}.`;
  ask.disabled = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    ask.disabled = true;
    try {
      await write(siskin, question.value);
    } catch (error) {
      showError(error);
    }
    ask.disabled = false;
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

function showProgress({ loaded_bytes, total_bytes }) {
  const percent = total_bytes
    ? `${Math.floor((loaded_bytes * 100) / total_bytes)} %`
    : `${loaded_bytes} bytes`;
  // A screen reader announces every change of the status, so the percentage is in the title only.
  if (status.textContent !== 'Loading the model') status.textContent = 'Loading the model';
  document.title = `${percent} - ${TITLE}`;
}

function showError(error) {
  // Errors of Siskin say what to do, and have a code for programs.
  status.textContent = `${error.message} (${error.code ?? error.name})`;
}
