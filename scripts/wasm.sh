# shellcheck shell=bash
# This file compiles the engine to wasm, in several builds: a page downloads the one that its
# browser can run. It is sourced after tools.sh.

# The rows are: name | target features | link arguments.
SHARED_MEMORY='--shared-memory --import-memory --max-memory=4294967296'
for symbol in __wasm_init_tls __tls_size __tls_align __tls_base __heap_base; do
  SHARED_MEMORY+=" --export=$symbol"
done
ATOMICS=+atomics,+bulk-memory,+mutable-globals
WASM_BUILDS="
simd         | +simd128               |
relaxed      | +simd128,+relaxed-simd |
threads      | +simd128,+relaxed-simd,$ATOMICS | $SHARED_MEMORY
threads-simd | +simd128,$ATOMICS | $SHARED_MEMORY
"

# for_each_wasm COMMAND... runs COMMAND... NAME FEATURES LINK for every row.
for_each_wasm() {
  local name features link
  while IFS='|' read -r name features link; do
    [ -z "$name" ] || "$@" "${name// /}" "${features// /}" "$link" </dev/null || return 1
  done <<<"$WASM_BUILDS"
}

# wasm_cargo NAME FEATURES LINK SUBCOMMAND [ARGUMENT...] runs cargo for wasm with the toolchain that
# was found. Loop strength reduction is off: the addresses that it creates do not fit into a load's
# offset, and kernels consist mostly of loads. Registry folders are cut from the paths in panic
# messages, so that the file holds no name of this machine.
wasm_cargo() {
  local name=$1 subcommand=$4 argument folder
  local flags="-Ctarget-feature=$2"$'\x1f'"-Cllvm-args=-disable-lsr"
  for argument in $3; do flags+=$'\x1f'"-Clink-arg=$argument"; done
  for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
    flags+=$'\x1f'"--remap-path-prefix=$folder="
  done
  shift 4
  export CARGO_ENCODED_RUSTFLAGS=$flags CARGO_TARGET_DIR=$CACHE/target/$WASM_TOOLCHAIN-$name
  case $WASM_TOOLCHAIN in
    rustup)
      # Threads need a standard library compiled with atomics, which is not shipped.
      case $flags in
        *+atomics*)
          RUSTC_BOOTSTRAP=1 cargo "$subcommand" --locked --target "$TRIPLE" \
            -Z build-std=std,panic_abort "$@"
          ;;
        *) cargo "$subcommand" --locked --target "$TRIPLE" "$@" ;;
      esac
      ;;
    debian)
      RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$WASM_LINKER \
        /usr/bin/cargo "$subcommand" --locked --target "$TRIPLE" -Z build-std=std,panic_abort "$@"
      ;;
  esac
}

# build_wasm puts all wasm files into pkg/dist/wasm.
build_wasm() {
  need_wasm_toolchain
  need_wasm_bindgen
  need_node_modules
  cargo fetch --locked >&2 ||
    fail "cargo could not download the crates." "check the network, then run this again."
  mkdir -p pkg/dist/wasm
  for_each_wasm provide_wasm
}

# provide_wasm NAME FEATURES LINK takes a build of the same sources by the same tools from the
# cache, whichever checkout made it, or compiles it.
provide_wasm() {
  local sources key
  mapfile -t sources < <(find src -mindepth 1 -maxdepth 1 ! -name bin)
  sources+=(Cargo.toml Cargo.lock build.rs shaders vendor scripts/wasm.sh scripts/drop_exports.mjs)
  key="$(content_hash "${sources[@]}") $(grep '"binaryen"' pkg/package.json)"
  key=$1-$(printf '%s' "$key $2 $3 $WASM_COMPILER $WASM_BINDGEN" | sha256sum | cut -c 1-24)
  if [ -d "$CACHE/wasm/$key" ]; then
    say "wasm $1: unchanged"
  else
    locked "wasm build" compile_wasm "$CACHE/wasm/$key" "$@" || return 1
  fi
  cp -p "$CACHE/wasm/$key"/siskin_* pkg/dist/wasm/
}

# compile_wasm FOLDER NAME FEATURES LINK compiles one build into FOLDER.
compile_wasm() {
  [ ! -d "$1" ] || return 0
  local folder=$1 partial=$1.partial
  shift
  step "wasm $1 ($2): compile"
  # The package is cleaned first: cargo compares file times, which mean nothing between checkouts,
  # and the content has changed.
  wasm_cargo "$@" clean --release -p siskin 2>/dev/null
  (wasm_cargo "$@" build --release --lib >&2) ||
    fail "The wasm build \"$1\" does not compile." "mend what the compiler says above."
  rm -rf "$partial" && mkdir -p "$partial"
  # From -O2 on, wasm-opt reorders the kernels' instructions, which makes them a fifth slower in
  # Chromium for 1.6% less size.
  step "wasm $1: wasm-bindgen, wasm-opt"
  "$WASM_BINDGEN/wasm-bindgen" --target web --out-name "siskin_$1" --out-dir "$partial" \
    "$CACHE/target/$WASM_TOOLCHAIN-$1/$TRIPLE/release/siskin.wasm" ||
    fail "wasm-bindgen failed." "run ./build.sh build again; if it stays, remove $CACHE/target."
  node scripts/drop_exports.mjs "$partial/siskin_$1_bg.wasm" llg_ ||
    fail "The wasm has no exports." "run ./build.sh build again; if it stays, remove $CACHE/target."
  # Sorted by name, functions that are alike lie together, which saves a twentieth of the gzipped
  # size.
  pkg/node_modules/.bin/wasm-opt -O1 --reorder-functions-by-name --strip-debug \
    --strip-producers --enable-simd --enable-relaxed-simd --enable-bulk-memory --enable-threads \
    --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals \
    --enable-reference-types --enable-multivalue \
    "$partial/siskin_$1_bg.wasm" -o "$partial/siskin_$1_bg.wasm" ||
    fail "wasm-opt failed." "run ./build.sh build again; if it stays, remove $CACHE/node."
  mv "$partial" "$folder"
}
