#!/usr/bin/env bash
# ./build.sh pack builds the npm package and packs it into a tarball, which npm can publish.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package
pack_package
say "packed: $(ls pkg/siskin-*.tgz)"
