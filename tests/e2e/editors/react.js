import { createElement, useState } from 'react';
import { createRoot } from 'react-dom/client';

export async function mountReact(place, parts) {
  let state = '';
  function Field() {
    const [value, setValue] = useState(parts.join(''));
    state = value;
    const onChange = ({ target }) => setValue(target.value);
    return createElement('input', { id: 'field', type: 'text', size: 60, value, onChange });
  }
  createRoot(place).render(createElement(Field));
  while (!place.querySelector('#field')) await new Promise((done) => setTimeout(done, 10));
  return {
    textOf: () => state,
    boldOf: () => 'cats',
    focusEditor: () => place.querySelector('#field').focus(),
  };
}
