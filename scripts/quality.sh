#!/usr/bin/env bash
# ./build.sh quality corrects the texts of a quality set in headless Chromium and measures the
# corrections.
for part in common tools wasm package models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

model=$DEFAULT_MODEL options=()
while [ $# -gt 0 ]; do
  case $1 in
    --model | --set | --correct | --threads | --limit | --ids | --json)
      [ $# -ge 2 ] || fail "$1 needs a value." "./build.sh help"
      ;;
    *) fail "quality knows no \"$1\"." "./build.sh help" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    *) options+=("$1" "$2") ;;
  esac
  shift 2
done

build_package
need_chromium
step "Model"
[ -f "$model" ] || model=$(fetch_models "$model")
say "$model"
step "Corrections"
exec node scripts/quality.mjs --file "$model" "${options[@]}"
