#!/usr/bin/env bash
# ./build.sh quality corrects the texts of a quality set in headless Chromium, or with --record in
# Node, and measures the corrections.
for part in common tools wasm package models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

model=$DEFAULT_MODEL options=() record=
while [ $# -gt 0 ]; do
  case $1 in
    --model | --set | --correct | --threads | --languages | --limit | --ids | --record | --json)
      [ $# -ge 2 ] || fail "$1 needs a value." "./build.sh help"
      ;;
    *) fail "quality knows no \"$1\"." "./build.sh help" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --record) record=1 options+=("$1" "$2") ;;
    *) options+=("$1" "$2") ;;
  esac
  shift 2
done

build_package
[ -n "$record" ] || need_chromium
step "Model"
[ -f "$model" ] || model=$(fetch_models "$model")
say "$model"
step "Corrections"
# Node 20 computes relaxed SIMD wrongly in its first compiler, and has it behind a flag, which later
# ones may not know.
flags=(--no-liftoff)
relaxed=--experimental-wasm-relaxed-simd
if node "$relaxed" --version >/dev/null 2>&1; then flags+=("$relaxed"); fi
exec node "${flags[@]}" scripts/quality.mjs --file "$model" "${options[@]}"
