#!/usr/bin/env bash
# ./build.sh bench measures Siskin and its peers in turn on one model file; with --kernels the matrix
# products alone, with --speculation what drafts gain, with --proofread how long correcting takes,
# with --extension the Chrome extension.
for part in common tools wasm package native models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

# build_kernels NAME FEATURES LINK compiles a single-threaded build's kernels to
# $CACHE/wasm/kernels-NAME.wasm. The package is cleaned first, because cargo's file times mean
# nothing between checkouts.
build_kernels() {
  case $3 in *shared-memory*) return 0 ;; esac
  wasm_cargo "$@" clean --release -p siskin 2>/dev/null
  (wasm_cargo "$@" build --release --example kernels >&2) ||
    fail "The wasm build \"$1\" of the kernels does not compile." \
      "mend what the compiler says above."
  mkdir -p "$CACHE/wasm"
  cp "$CACHE/target/$WASM_TOOLCHAIN-$1/$TRIPLE/release/examples/kernels.wasm" \
    "$CACHE/wasm/kernels-$1.wasm"
}

if [ "${1:-}" = --kernels ]; then
  [ $# -eq 1 ] || fail "--kernels goes alone." "./build.sh help"
  need_wasm_toolchain
  need_node_modules
  need_chromium
  step "Kernels in wasm: compile"
  locked "wasm build" for_each_wasm build_kernels
  step "Kernels, native"
  native_cargo run --release --locked --quiet -- bench --kernels
  step "Kernels in wasm"
  exec node scripts/bench/kernels.mjs \
    simd="$CACHE/wasm/kernels-simd.wasm" relaxed="$CACHE/wasm/kernels-relaxed.wasm"
fi

if [ "${1:-}" = --speculation ]; then
  shift
  build_package
  need_chromium
  step "Model"
  model=$(fetch_models qwen2.5-coder-0.5b-instruct)
  step "Corrections, without drafts and with them"
  exec node scripts/bench/speculation.mjs --file "$model" "$@"
fi

if [ "${1:-}" = --proofread ]; then
  shift
  build_package
  need_chromium
  step "Model"
  model=$(fetch_models qwen2.5-coder-0.5b-instruct)
  step "200 characters, corrected"
  exec node scripts/bench/proofread.mjs --file "$model" "$@"
fi

if [ "${1:-}" = --extension ]; then
  shift
  build_package
  need_chromium
  step "Model"
  say "$(fetch_models qwen2.5-coder-0.5b-instruct)"
  step "The extension, on one thread and on two"
  node scripts/extension.mjs pkg/extension
  exec node scripts/extension/measure.mjs "$@"
fi

# need_transformers sets TRANSFORMERS to a folder of the two packages that run transformers.js in a
# browser. They are unpacked alone: what they depend on for Node takes 200 MB.
TRANSFORMERS_VERSION=4.3.2
need_transformers() {
  need_node
  TRANSFORMERS=$CACHE/tools/transformers-$TRANSFORMERS_VERSION
  [ -f "$TRANSFORMERS/complete" ] || locked npm install_transformers
}

install_transformers() {
  local package=@huggingface/transformers@$TRANSFORMERS_VERSION runtime
  runtime=$(npm view "$package" dependencies.onnxruntime-web) &&
    unpack_npm "$package" "$TRANSFORMERS/@huggingface/transformers" &&
    unpack_npm "onnxruntime-web@$runtime" "$TRANSFORMERS/onnxruntime-web" ||
    fail "npm could not bring transformers.js." "check the network (npm ping), then run this again."
  touch "$TRANSFORMERS/complete"
}

# unpack_npm PACKAGE FOLDER
unpack_npm() {
  rm -rf "$2" && mkdir -p "$2"
  (cd "$2" && tar xzf "$(npm pack --silent "$1")" --strip-components 1 && rm -f ./*.tgz)
}

model=$DEFAULT_MODEL peers=wllama,native,transformers onnx='' backend=cpu options=()
while [ $# -gt 0 ]; do
  case $1 in
    --model | --backend | --peer | --onnx | --threads | --prompt | --generate | --rounds | --json)
      [ $# -ge 2 ] || fail "$1 needs a value." "./build.sh help"
      ;;
    *) fail "bench knows no \"$1\"." "./build.sh help" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --peer) peers=$2 ;;
    --backend) backend=$2 ;;
    --onnx) onnx=$2 ;;
    *) options+=("$1" "$2") ;;
  esac
  shift 2
done

build_package
need_chromium
case $backend in
  cpu) ;;
  gpu) need_firefox && need_vulkan ;;
  *) fail "--backend takes cpu or gpu." "./build.sh help" ;;
esac
[ "$backend" = gpu ] || case ,$peers, in *,native,*) need_xllamacpp ;; esac
if [ -n "$onnx" ]; then
  need_transformers
  options+=(--onnx "$onnx" --transformers "$TRANSFORMERS")
fi
step "Model"
[ -f "$model" ] || model=$(fetch_models "$model")
say "$model"

if [ "$backend" = gpu ]; then
  step "Benchmark on the graphics card"
  exec node scripts/bench/gpu.mjs --file "$model" "${options[@]}"
fi
step "Benchmark (peers: ${peers:-none})"
exec node scripts/bench.mjs --file "$model" --peer "$peers" ${XLLAMACPP:+--python "$XLLAMACPP"} \
  "${options[@]}"
