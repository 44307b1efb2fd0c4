#!/usr/bin/env bash
# ./build.sh extension makes the Chrome extension's folder, pkg/extension, of which "Load unpacked"
# makes an extension.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package
node scripts/extension.mjs pkg/extension ||
  fail "The extension could not be built." "mend what is said above."
say "built: pkg/extension"
