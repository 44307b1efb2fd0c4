# shellcheck shell=bash
# The npm package: the wasm files, the JavaScript library and its types, in pkg. Sourced after wasm.sh.

build_package() {
  build_wasm
  find pkg/dist -mindepth 1 -maxdepth 1 ! -name wasm -exec rm -rf {} +
  cp -Rp www/lib/. pkg/dist/
  [ ! -f www/sw.js ] || cp -p www/sw.js pkg/dist/
  rm -rf pkg/types
  pkg/node_modules/.bin/tsc -p www/tsconfig.types.json >&2 || fail "The JavaScript library's types do not check." "mend what tsc says above."
  cp LICENSE-MIT LICENSE-APACHE pkg/dist/
}
