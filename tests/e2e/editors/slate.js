import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { Node, createEditor } from 'slate';
import { withHistory } from 'slate-history';
import { Editable, ReactEditor, Slate, withReact } from 'slate-react';

export async function mountSlate(place, [before, bold, after]) {
  const editor = withHistory(withReact(createEditor()));
  const initialValue = [
    {
      type: 'paragraph',
      children: [{ text: before }, { text: bold, bold: true }, { text: after }],
    },
  ];
  const renderLeaf = ({ attributes, children, leaf }) =>
    createElement(
      'span',
      attributes,
      leaf.bold ? createElement('strong', null, children) : children,
    );
  createRoot(place).render(
    createElement(Slate, { editor, initialValue }, createElement(Editable, { renderLeaf })),
  );
  while (!place.querySelector('[contenteditable]'))
    await new Promise((done) => setTimeout(done, 10));
  return {
    textOf: () => editor.children.map((node) => Node.string(node)).join('\n'),
    boldOf: () =>
      [...Node.texts(editor)]
        .filter(([node]) => node.bold)
        .map(([node]) => node.text)
        .join(''),
    focusEditor: () => ReactEditor.focus(editor),
  };
}
