#!/usr/bin/env bash
# ./build.sh bench: Siskin and its peers in turn on one model file; with --kernels the native matrix products alone.
for part in common tools wasm package native models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

if [ "${1:-}" = --kernels ]; then
  need_rust
  native_cargo run --release --locked --quiet -- bench "$@"
  exit
fi

model=$DEFAULT_MODEL peers=wllama,native options=()
while [ $# -gt 0 ]; do
  case $1 in
    --model | --peer | --threads | --prompt | --generate | --rounds | --json) [ $# -ge 2 ] || fail "$1 needs a value." "./build.sh help" ;;
    *) fail "bench knows no \"$1\"." "./build.sh help" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --peer) peers=$2 ;;
    *) options+=("$1" "$2") ;;
  esac
  shift 2
done

build_package
need_chromium
case ,$peers, in *,native,*) need_xllamacpp ;; esac
step "Model"
[ -f "$model" ] || model=$(fetch_models "$model")
say "$model"

step "Benchmark (peers: ${peers:-none})"
exec node scripts/bench.mjs --file "$model" --peer "$peers" ${XLLAMACPP:+--python "$XLLAMACPP"} "${options[@]}"
