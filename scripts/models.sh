# shellcheck shell=bash disable=SC2034
# This file fetches model files by name. It is sourced after tools.sh.

DEFAULT_MODEL=qwen2.5-0.5b-instruct

# fetch_models NAME... prints the path of each verified file, and fetches the missing ones.
fetch_models() {
  need_pip
  mkdir -p "$MODELS"
  python3 scripts/fetch_model.py "$MODELS" "$@"
}
