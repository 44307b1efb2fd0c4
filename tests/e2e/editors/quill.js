import Quill from 'quill';

export function mountQuill(place, [before, bold, after]) {
  const quill = new Quill(place);
  quill.setContents([
    { insert: before },
    { insert: bold, attributes: { bold: true } },
    { insert: `${after}\n` },
  ]);
  quill.history.clear();
  return {
    textOf: () => quill.getText().trimEnd(),
    boldOf: () =>
      quill
        .getContents()
        .ops.filter(({ attributes }) => attributes?.bold)
        .map(({ insert }) => insert)
        .join(''),
    focusEditor: () => quill.focus(),
  };
}
