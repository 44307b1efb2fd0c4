#!/usr/bin/env bash
# ./build.sh build makes the wasm files and the npm package.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package
say "built: pkg/dist"
