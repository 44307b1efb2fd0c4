#!/usr/bin/env bash
# ./build.sh bench [MODEL] [OPTION...]: the native engine's speed, by `siskin bench`.
for part in common tools native models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
need_rust
model=${1:-$DEFAULT_MODEL}
[ $# -eq 0 ] || shift
[ -f "$model" ] || model=$(fetch_models "$model")
step "siskin bench"
native_cargo run --release --locked -- bench "$model" "$@"
