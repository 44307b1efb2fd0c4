import { createEmptyHistoryState, registerHistory } from '@lexical/history';
import { registerRichText } from '@lexical/rich-text';
import { $createParagraphNode, $createTextNode, $getRoot, createEditor } from 'lexical';

export async function mountLexical(place, [before, bold, after]) {
  const element = document.createElement('div');
  element.contentEditable = 'true';
  place.append(element);
  const editor = createEditor({
    namespace: 'test',
    onError: (error) => {
      throw error;
    },
  });
  editor.setRootElement(element);
  registerRichText(editor);
  registerHistory(editor, createEmptyHistoryState(), 300);
  const fill = () => {
    const paragraph = $createParagraphNode();
    const strong = $createTextNode(bold).toggleFormat('bold');
    paragraph.append($createTextNode(before), strong, $createTextNode(after));
    $getRoot().clear().append(paragraph);
  };
  editor.update(fill, { discrete: true, tag: 'history-merge' });
  return {
    textOf: () => editor.getEditorState().read(() => $getRoot().getTextContent()),
    boldOf: () =>
      editor.getEditorState().read(() =>
        $getRoot()
          .getAllTextNodes()
          .filter((node) => node.hasFormat('bold'))
          .map((node) => node.getTextContent())
          .join(''),
      ),
    focusEditor: () => element.focus(),
  };
}

export function mountLexicalInShadow(place, parts) {
  customElements.define(
    'test-editor',
    class extends HTMLElement {
      root = this.attachShadow({ mode: 'open' });
    },
  );
  const host = document.createElement('test-editor');
  place.append(host);
  return mountLexical(host.root, parts);
}
