#!/usr/bin/env bash
# ./build.sh test: every test, the fast ones first. A step that fails stops the run.
for part in common tools wasm package native models; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done

passed=0 failed=0 summaries=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# check NAME WHAT-TO-DO COMMAND...: runs a step; it counts as the tests that its runner reports, or as one.
# A function given as COMMAND runs without set -e (it stands in a condition), so it must pass its own failures on.
check() {
  local name=$1 advice=$2 start=$SECONDS ok=1 good bad summary
  shift 2
  step "$name"
  "$@" 2>&1 | tee "$log" || ok=0
  summary=$(grep -aE '^test result:|^ℹ (pass|fail|tests) |^Ran [0-9]+ test|^OK|^FAILED' "$log" | grep -v '0 passed; 0 failed' || true)
  good=$(counted "$log" passed pass)
  bad=$(counted "$log" failed fail)
  if [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then good=$ok; fi
  if [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  passed=$((passed + good)) failed=$((failed + bad))
  summaries+=("$(printf '%-28s %4d s  %d passed, %d failed' "$name" $((SECONDS - start)) "$good" "$bad")")
  [ -z "$summary" ] || summaries+=("$summary")
  say "$name: $((SECONDS - start)) s"
  if [ "$ok" -eq 0 ]; then
    printf '\nSTOPPED: %s failed.\n  What to do: %s\n' "$name" "$advice" >&2
    finish 1
  fi
}

# counted LOG RUST-WORD NODE-WORD: the sum over the summaries of cargo test and wasm-bindgen-test, node --test and unittest.
counted() {
  awk -v rust="$2" -v node="$3" '
    /^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" rust) sum += $(i - 1) }
    $1 == "ℹ" && $2 == node { sum += $3 }
    /^Ran [0-9]+ tests? in/ { ran = $2 }
    /^FAILED \(/ { while (match($0, /=[0-9]+/)) { broken += substr($0, RSTART + 1, RLENGTH - 1); $0 = substr($0, RSTART + RLENGTH) } }
    END { print sum + (rust == "failed" ? broken : ran - broken) }' "$1"
}

finish() {
  printf '\n'
  printf '%s\n' "${summaries[@]}"
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  exit "$1"
}

# The engine's own tests in the browser, on the build that current browsers take.
# shellcheck disable=SC2329
wasm_tests() {
  [ "$1" = relaxed ] || return 0
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$WASM_BINDGEN/wasm-bindgen-test-runner
  export WASM_BINDGEN_TEST_WEBDRIVER_JSON=$ROOT/scripts/webdriver.json WASM_BINDGEN_TEST_TIMEOUT=600
  fresh_target "$CACHE/target/$WASM_TOOLCHAIN-$1" wasm_cargo "$@" clean -p siskin
  wasm_cargo "$@" test --no-default-features --test web
}

# The checks of tests/gpu/parity.rs, which tests/e2e/gpu_parity.test.mjs opens in browsers, into target/parity.
# shellcheck disable=SC2329
gpu_checks() {
  [ "$1" = relaxed ] || return 0
  local folder=$CACHE/target/$WASM_TOOLCHAIN-$1
  fresh_target "$folder" wasm_cargo "$@" clean -p siskin
  wasm_cargo "$@" build --no-default-features --profile test --example parity || return 1
  "$WASM_BINDGEN/wasm-bindgen" --target web --no-typescript --out-dir target/parity "$folder/$TRIPLE/debug/examples/parity.wasm"
}

# Debug information doubles the time of a build from nothing.
export CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_TEST_DEBUG=false

step "Tools"
need_rust
need_python
need_wasm_toolchain
need_wasm_bindgen
need_node_modules
need_chromium driver
need_firefox
need_xllamacpp
export XLLAMACPP
need_vulkan

! cargo fmt --version >/dev/null 2>&1 || check "format" "cargo fmt" cargo fmt --check
check "JavaScript types" "mend what tsc says above." pkg/node_modules/.bin/tsc -p www/tsconfig.json
check "model fetcher" "mend scripts/fetch_model.py or its tests." python3 -m unittest discover -s tests/scripts -v
if cargo clippy --version >/dev/null 2>&1; then
  check "clippy" "mend what clippy says above." native_cargo clippy --locked --all-targets -- -D warnings
fi

step "Models"
fetch_models qwen2.5-coder-0.5b-instruct smollm2-135m-instruct vocab-llama-bpe vocab-llama-spm >&2
export SISKIN_MODELS=$MODELS SISKIN_REQUIRE_MODELS=1

check "native tests" "run one alone: cargo test --test NAME" native_cargo test --locked --no-fail-fast
check "wasm build" "mend what is said above." bash scripts/build.sh
[ ! -f tests/web.rs ] || check "wasm tests in Chromium" "mend what is said above." locked "wasm build" for_each_wasm wasm_tests
check "wasm of the GPU's checks" "mend what is said above." locked "wasm build" for_each_wasm gpu_checks
check "JavaScript and browser tests" "run one alone: node --test tests/js/NAME.test.mjs or tests/e2e/NAME.test.mjs" node --test --test-reporter=spec tests/js/*.test.mjs tests/e2e/*.test.mjs
finish 0
