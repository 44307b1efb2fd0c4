#!/usr/bin/env bash
# ./build.sh test runs every test, the fast ones first. It stops at the first step that fails.
# ./build.sh test NAME [PATTERN] runs one suite, or one test file and what it needs.
for part in common checks tools wasm package native models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

# Debug information doubles the time of a clean build.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_TEST_DEBUG=false
# Tests whose model is missing fail instead of printing SKIPPED.
export SISKIN_MODELS=$MODELS SISKIN_REQUIRE_MODELS=1

SUITES='lint scripts js rust wasm size gpu e2e package'
MODEL_FILES=(qwen2.5-coder-0.5b-instruct smollm2-135m-instruct)
VOCABULARIES=(vocab-llama-bpe vocab-llama-spm chat-templates)

# test_files FOLDER [START] prints the test files of a folder, one a line.
test_files() {
  find "tests/$1" -maxdepth 1 -name "${2:-}*.test.mjs" 2>/dev/null | LC_ALL=C sort
}

# js_files prints the tests that need no browser.
js_files() {
  test_files js
}

# e2e_files [START] prints the tests that open a browser.
e2e_files() {
  test_files e2e "${1:-}"
}

# package_files prints the tests of the packed package.
package_files() {
  test_files package
}

# rust_targets prints the native test targets, one a line.
rust_targets() {
  local file
  for file in tests/*.rs tests/*/main.rs; do
    [ -f "$file" ] || continue
    file=${file%/main.rs}
    basename "$file" .rs
  done | grep -vx web
}

# test_names prints the names of all test files that one_test takes.
test_names() {
  { rust_targets && js_files && e2e_files && package_files; } | sed 's|.*/||; s|\.test\.mjs$||' | sort -u
}

models() {
  step "Models"
  fetch_models "$@" >&2
}

# need_for_e2e FILE... installs what the browser tests of these files need, and builds the native
# program if they use it.
need_for_e2e() {
  need_node_modules
  need_chromium
  need_wasm_toolchain
  ! grep -qi firefox "$@" || need_firefox
  ! grep -q docs/node_modules "$@" || need_docs_modules
  ! grep -q XLLAMACPP "$@" || need_xllamacpp
  [ -z "${XLLAMACPP:-}" ] || export XLLAMACPP
  ! grep -qE 'SMOLLM2|QWEN|MODELS_DIR' "$@" || models "${MODEL_FILES[@]}"
  ! grep -q PROGRAM "$@" ||
    check "native program" "mend what the compiler says above." \
      native_cargo build --locked --profile test --bin siskin
}

# wasm_tests NAME FEATURES LINK runs the engine's own tests in Chromium, on the build that current
# browsers use.
# shellcheck disable=SC2329
wasm_tests() {
  [ "$1" = relaxed ] || return 0
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$WASM_BINDGEN/wasm-bindgen-test-runner
  export WASM_BINDGEN_TEST_WEBDRIVER_JSON=$ROOT/scripts/webdriver.json WASM_BINDGEN_TEST_TIMEOUT=600
  fresh_target "$CACHE/target/$WASM_TOOLCHAIN-$1" wasm_cargo "$@" clean -p siskin
  wasm_cargo "$@" test --no-default-features --test web
}

# gpu_checks NAME FEATURES LINK builds tests/gpu/parity.rs for tests/e2e/gpu_parity.test.mjs into
# target/parity.
# shellcheck disable=SC2329
gpu_checks() {
  [ "$1" = relaxed ] || return 0
  local folder=$CACHE/target/$WASM_TOOLCHAIN-$1
  fresh_target "$folder" wasm_cargo "$@" clean -p siskin
  wasm_cargo "$@" build --no-default-features --profile test --example parity || return 1
  "$WASM_BINDGEN/wasm-bindgen" --target web --no-typescript --out-dir target/parity \
    "$folder/$TRIPLE/debug/examples/parity.wasm"
}

# rust_tests runs all native tests but those of the graphics card, in two runs: cargo takes no --doc
# together with other targets.
# shellcheck disable=SC2329
rust_tests() {
  local targets
  mapfile -t targets < <(rust_targets | grep -vx gpu | sed 's/^/--test=/')
  native_cargo test --locked --no-fail-fast --lib "${targets[@]}" || return 1
  native_cargo test --locked --doc
}

run_format() {
  ! cargo fmt --version >/dev/null 2>&1 || check "format" "cargo fmt" cargo fmt --check
}

run_types() {
  check "JavaScript types" "mend what tsc says above." \
    pkg/node_modules/.bin/tsc -p www/tsconfig.json
  check "JavaScript style" "npm run format in pkg/, and mend what eslint says above." \
    npm run --silent --prefix pkg lint
}

run_scripts() {
  check "scripts and crates" "mend what tests/scripts says above." \
    python3 -m unittest discover -s tests/scripts -v
}

run_js() {
  local files
  mapfile -t files < <(js_files)
  check "JavaScript tests" "run one alone: ./build.sh test NAME" \
    node --test --test-reporter=spec "${files[@]}"
}

run_clippy() {
  ! cargo clippy --version >/dev/null 2>&1 ||
    check "clippy" "mend what clippy says above." \
      native_cargo clippy --locked --all-targets -- -D warnings
}

run_wasm_build() {
  check "wasm build" "mend what is said above." bash scripts/build.sh
}

run_size_budgets() {
  check "size budgets" "mend what is said above." bash scripts/size.sh --check
}

run_wasm_tests() {
  [ ! -f tests/web/main.rs ] ||
    check "wasm tests in Chromium" "mend what is said above." \
      locked "wasm build" for_each_wasm wasm_tests
}

run_gpu_checks() {
  check "wasm of the GPU's checks" "mend what is said above." \
    locked "wasm build" for_each_wasm gpu_checks
}

# run_e2e FILE-OR-OPTION... runs browser tests.
run_e2e() {
  # Among them are options, which are no files.
  ! grep -qsE 'helpers/(extension|assistant)' "$@" ||
    check "extension" "mend what is said above." node scripts/extension.mjs pkg/extension
  check "browser tests" "run one alone: ./build.sh test NAME" node --test --test-reporter=spec "$@"
}

# run_package FILE-OR-OPTION... packs the package and runs tests of it. Each opens its own browser.
run_package() {
  check "package" "mend what is said above." bash scripts/pack.sh
  check "tests of the packed package" "run one alone: ./build.sh test NAME" \
    node --test --test-concurrency=1 --test-reporter=spec "$@"
}

everything() {
  local files
  step "Tools"
  need_rust
  need_python
  need_wasm_toolchain
  need_wasm_bindgen
  need_node_modules
  need_docs_modules
  need_chromium driver
  need_firefox
  need_xllamacpp
  export XLLAMACPP
  need_vulkan
  run_format
  run_types
  run_scripts
  run_clippy
  models "${MODEL_FILES[@]}" "${VOCABULARIES[@]}"
  check "native tests" "run one alone: ./build.sh test NAME" \
    native_cargo test --locked --no-fail-fast
  run_wasm_build
  run_size_budgets
  run_js
  run_wasm_tests
  run_gpu_checks
  mapfile -t files < <(e2e_files)
  run_e2e "${files[@]}"
  # The other files of tests/package take minutes.
  run_package tests/package/{tarball,quick}.test.mjs
}

suite() {
  local files
  case $1 in
    lint)
      need_rust
      need_node_modules
      run_format
      run_types
      run_clippy
      ;;
    scripts)
      need_python
      run_scripts
      ;;
    js)
      need_node
      run_js
      ;;
    rust)
      need_rust
      models "${MODEL_FILES[@]}" "${VOCABULARIES[@]}"
      check "native tests" "run one alone: ./build.sh test NAME" rust_tests
      ;;
    wasm)
      need_wasm_toolchain
      need_wasm_bindgen
      need_chromium driver
      run_wasm_tests
      ;;
    size)
      run_wasm_build
      run_size_budgets
      ;;
    gpu)
      need_rust
      need_vulkan
      need_wasm_bindgen
      mapfile -t files < <(e2e_files gpu)
      need_for_e2e "${files[@]}"
      check "native GPU tests" "mend what is said above." \
        native_cargo test --locked --no-fail-fast --test gpu
      run_wasm_build
      run_gpu_checks
      run_e2e "${files[@]}"
      ;;
    e2e)
      need_rust
      need_wasm_bindgen
      mapfile -t files < <(e2e_files)
      need_for_e2e "${files[@]}"
      run_wasm_build
      run_gpu_checks
      run_e2e "${files[@]}"
      ;;
    package)
      need_rust
      need_wasm_bindgen
      mapfile -t files < <(package_files)
      need_for_e2e "${files[@]}" tests/package/helpers.mjs
      run_package "${files[@]}"
      ;;
  esac
}

# one_test NAME [PATTERN] runs every test file of that name, Rust's and JavaScript's, or its tests
# that match PATTERN.
one_test() {
  local name pattern=${2:-} js sources found=0
  name=$(basename "$1")
  name=${name%.rs} name=${name%.test.mjs} name=${name%.py}
  local by_name=(${pattern:+"--test-name-pattern=$pattern"})

  if [ -f "tests/scripts/$name.py" ]; then
    found=1
    need_python
    check "$name" "mend what is said above." \
      python3 -m unittest discover -s tests/scripts -p "$name.py" ${pattern:+-k "$pattern"} -v
  fi
  js=$(js_files | grep "/$name\.test\.mjs$" || true)
  if [ -n "$js" ]; then
    found=1
    need_node
    check "$name" "mend what is said above." node --test --test-reporter=spec "${by_name[@]}" "$js"
  fi
  if [ -f "tests/$name.rs" ] || [ -f "tests/$name/main.rs" ]; then
    found=1
    need_rust
    mapfile -t sources < <(find tests -path "tests/$name.rs" -o -path "tests/$name/*.rs")
    ! grep -qE "model_(path|header)" "${sources[@]}" ||
      models "${MODEL_FILES[@]}" "${VOCABULARIES[@]}"
    [ "$name" != gpu ] || need_vulkan
    check "$name" "mend what is said above." \
      native_cargo test --locked --test "$name" ${pattern:+"$pattern"}
  fi
  if [ -f "tests/e2e/$name.test.mjs" ]; then
    found=1
    need_for_e2e "tests/e2e/$name.test.mjs"
    run_wasm_build
    if grep -q target/parity "tests/e2e/$name.test.mjs"; then
      need_wasm_bindgen
      run_gpu_checks
    fi
    run_e2e "${by_name[@]}" "tests/e2e/$name.test.mjs"
  fi
  if [ -f "tests/package/$name.test.mjs" ]; then
    found=1
    need_for_e2e "tests/package/$name.test.mjs" tests/package/helpers.mjs
    run_package "${by_name[@]}" "tests/package/$name.test.mjs"
  fi
  [ "$found" -eq 1 ] || fail "There is no suite and no test file \"$1\"." "suites: $SUITES" \
    "test files: $(test_names | tr '\n' ' ')"
  # shellcheck disable=SC2154
  [ -z "$pattern" ] || [ "$tests" -gt 0 ] ||
    fail "No test of \"$1\" fits \"$pattern\"." "look at the names of the tests in its file."
}

# The name `web` means the suite wasm, which runs tests/web/main.rs.
[ "$*" != web ] || set -- wasm
if [ $# -eq 0 ]; then
  everything
elif [[ " $SUITES " == *" $1 "* && $# -eq 1 ]]; then
  suite "$1"
elif [ $# -le 2 ]; then
  one_test "$@"
else
  fail "test takes a NAME and a PATTERN, not more." "./build.sh help"
fi
finish 0
