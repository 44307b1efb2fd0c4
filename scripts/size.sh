#!/usr/bin/env bash
# ./build.sh size: what a visitor downloads, raw and gzipped. A page fetches one of the wasm files.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package

# row NAME FILE...
row() {
  local name=$1
  shift
  printf '%-28s %10d %10d\n' "$name" "$(cat "$@" | wc -c)" "$(for file in "$@"; do gzip -9 -c "$file"; done | wc -c)"
}

printf '%-28s %10s %10s\n' "bytes" "raw" "gzip -9"
row "JavaScript library" pkg/dist/*.js
for wasm in pkg/dist/wasm/*_bg.wasm; do
  name=$(basename "$wasm" _bg.wasm)
  row "$name.wasm" "$wasm"
  row "$name.js" "pkg/dist/wasm/$name.js"
done
