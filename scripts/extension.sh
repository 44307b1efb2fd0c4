#!/usr/bin/env bash
# ./build.sh extension makes the Chrome extension's folder, pkg/extension, of which "Load unpacked"
# makes an extension, and its zip for the store, pkg/extension-VERSION.zip.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package
node scripts/extension.mjs pkg/extension ||
  fail "The extension could not be built." "mend what is said above."
version=$(node -p 'require("./pkg/extension/manifest.json").version')
rm -f pkg/extension-*.zip
say "packed: $(python3 scripts/extension/zip.py pkg/extension "pkg/extension-$version.zip")"
say "built: pkg/extension"
