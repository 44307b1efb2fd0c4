#!/usr/bin/env bash
# ./build.sh demo serves the demo page on localhost, or with --ask prints one answer from headless
# Chromium.
for part in common tools wasm package models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

prompt="" model="" options=()
while [ $# -gt 0 ]; do
  case $1 in
    --ask | --model | --max-tokens | --backend | --threads | --context)
      if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value." "./build.sh help"; fi
      ;;
    *) fail "demo knows no \"$1\"." "./build.sh help" ;;
  esac
  case $1 in
    --ask) prompt=$2 ;;
    --model) model=$2 ;;
    *) options+=("$1" "$2") ;;
  esac
  shift 2
done
[ -n "$prompt" ] || [ -z "$model${options[*]}" ] ||
  fail "--model, --max-tokens and their like go with --ask." "on the page, choose them there."

build_package
if [ -n "$prompt" ]; then need_chromium; fi
step "Model"
if [ -z "$prompt" ]; then
  # The page offers a small model first.
  fetch_models smollm2-135m-instruct "$DEFAULT_MODEL" >&2
  step "Server"
  exec node scripts/serve.mjs --models "$MODELS"
fi
if [ -f "$model" ]; then
  file=$model
else
  file=$(fetch_models "${model:-$DEFAULT_MODEL}")
fi
say "$file"
step "Chromium ($SISKIN_CHROMIUM)"
exec node scripts/ask.mjs --file "$file" --prompt "$prompt" "${options[@]}"
