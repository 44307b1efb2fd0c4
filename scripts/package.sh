# shellcheck shell=bash
# The npm package: the wasm files, the JavaScript library and its types, in pkg/dist. Sourced after wasm.sh.

build_package() {
  build_wasm
  find pkg/dist -mindepth 1 -maxdepth 1 ! -name wasm -exec rm -rf {} +
  [ ! -d www/lib ] || cp -Rp www/lib/. pkg/dist/
  [ ! -f www/sw.js ] || cp -p www/sw.js pkg/dist/
}
