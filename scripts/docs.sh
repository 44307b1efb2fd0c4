#!/usr/bin/env bash
# ./build.sh docs makes the docs a site, in pkg/site/docs.
for part in common tools; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
need_docs_modules
docs/node_modules/.bin/typedoc --options docs/typedoc.json >&2 ||
  fail "The docs could not be made." "mend what TypeDoc says above: links, types, comments."
say "built: pkg/site/docs"
