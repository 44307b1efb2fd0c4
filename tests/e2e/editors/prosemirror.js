import { baseKeymap } from 'prosemirror-commands';
import { history, redo, undo } from 'prosemirror-history';
import { keymap } from 'prosemirror-keymap';
import { schema } from 'prosemirror-schema-basic';
import { EditorState } from 'prosemirror-state';
import { EditorView } from 'prosemirror-view';

export function mountProseMirror(place, [before, bold, after]) {
  const doc = schema.node('doc', null, [
    schema.node('paragraph', null, [
      schema.text(before),
      schema.text(bold, [schema.marks.strong.create()]),
      schema.text(after),
    ]),
  ]);
  const plugins = [history(), keymap({ 'Mod-z': undo, 'Mod-y': redo }), keymap(baseKeymap)];
  const view = new EditorView(place, { state: EditorState.create({ doc, plugins }) });
  return {
    textOf: () => view.state.doc.textContent,
    boldOf: () => {
      let found = '';
      view.state.doc.descendants((node) => {
        if (node.isText && node.marks.length > 0) found += node.text;
      });
      return found;
    },
    focusEditor: () => view.focus(),
  };
}
