#!/usr/bin/env bash
# This script measures the graphics card of a machine and prints one JSON object: parity of every
# kernel on every tier, and for some shapes of models the choices between kernels, the time of each
# kernel, decode and prefill, and what a lost device says. It needs Vulkan, and neither a network
# nor a model. It takes under eight minutes on a card.
#
#   scripts/bench/card.sh [--shapes smollm2-135m,qwen2.5-0.5b] [--type Q4_0]
#
# SISKIN_CARD_BIN=DIR takes the programs siskin and gpu (the test of that name) from there, where a
# machine cannot compile; `scripts/bench/card.sh --build DIR` makes them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

shapes=smollm2-135m,qwen2.5-0.5b type=Q4_0 build=
while [ $# -gt 0 ]; do
  case $1 in
    --shapes) shapes=$2 ;;
    --type) type=$2 ;;
    --build) build=$2 ;;
    *)
      echo "card.sh knows no \"$1\"; it takes --shapes, --type and --build." >&2
      exit 2
      ;;
  esac
  shift 2
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build_to DIR compiles the two programs.
build_to() {
  mkdir -p "$1"
  cargo build --release --locked --quiet >&2
  target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  cp "$target/release/siskin" "$1/siskin"
  # Cargo names the program of a test by a hash, and says which.
  test=$(cargo test --locked --no-run --test gpu 2>&1 | sed -n 's/.*(\(.*\/gpu-[0-9a-f]*\))$/\1/p')
  cp "$test" "$1/gpu"
}

if [ -n "$build" ]; then
  build_to "$build"
  exit
fi
bin=${SISKIN_CARD_BIN:-}
if [ -z "$bin" ]; then
  bin=$work/bin
  build_to "$bin"
fi

start=$SECONDS
parity_status=passed
"$bin/gpu" parity >"$work/parity.log" 2>&1 || parity_status=failed
[ "$parity_status" = passed ] || cat "$work/parity.log" >&2
# A test that found no device says so and passes; then there is nothing to measure either.
grep -q SKIPPED "$work/parity.log" && parity_status=skipped
parity_seconds=$((SECONDS - start))

models=()
for shape in ${shapes//,/ }; do
  "$bin/siskin" synth "$work/$shape.gguf" --shape "$shape" --type "$type" >&2
  "$bin/siskin" bench "$work/$shape.gguf" --gpu --json >"$work/$shape.json"
  rm "$work/$shape.gguf"
  models+=("$work/$shape.json")
done

printf '{\n"parity": {"outcome": "%s", "seconds": %d},\n"models": [\n' \
  "$parity_status" "$parity_seconds"
separator=
for model in "${models[@]}"; do
  printf '%s' "$separator"
  cat "$model"
  separator=,
done
printf '],\n"seconds": %d\n}\n' $((SECONDS - start))
[ "$parity_status" != failed ]
