# shellcheck shell=bash
# This file runs the steps of a test run, counts their tests and prints the sum. It is sourced after
# common.sh.

# `tests` counts what test runners report. `passed` and `failed` also count steps that run no tests.
# shellcheck disable=SC2034
passed=0 failed=0 tests=0 summaries=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# check NAME WHAT-TO-DO COMMAND... runs a step, which counts as the tests that its runner reports,
# or as one. A function given as COMMAND runs without set -e, because it is part of a condition, so
# it must return its own failures.
check() {
  local name=$1 advice=$2 start=$SECONDS ok=1 good bad summary
  shift 2
  step "$name"
  "$@" 2>&1 | tee "$log" || ok=0
  summary=$(grep -aE '^test result:|^ℹ (pass|fail|tests) |^Ran [0-9]+ test|^OK|^FAILED' "$log" |
    grep -v '0 passed; 0 failed' || true)
  good=$(counted "$log" passed pass)
  bad=$(counted "$log" failed fail)
  tests=$((tests + good + bad))
  if [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then good=$ok; fi
  if [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  passed=$((passed + good)) failed=$((failed + bad))
  summaries+=("$(printf '%-28s %4d s  %d passed, %d failed' \
    "$name" $((SECONDS - start)) "$good" "$bad")")
  [ -z "$summary" ] || summaries+=("$summary")
  say "$name: $((SECONDS - start)) s"
  if [ "$ok" -eq 0 ]; then
    printf '\nSTOPPED: %s failed.\n  What to do: %s\n' "$name" "$advice" >&2
    finish 1
  fi
}

# counted LOG RUST-WORD NODE-WORD prints the sum over the summaries of cargo test,
# wasm-bindgen-test, node --test and unittest.
counted() {
  awk -v rust="$2" -v node="$3" '
    /^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" rust) sum += $(i - 1) }
    $1 == "ℹ" && $2 == node { sum += $3 }
    /^Ran [0-9]+ tests? in/ { ran = $2 }
    /^FAILED \(/ {
      while (match($0, /=[0-9]+/)) {
        broken += substr($0, RSTART + 1, RLENGTH - 1)
        $0 = substr($0, RSTART + RLENGTH)
      }
    }
    END { print sum + (rust == "failed" ? broken : ran - broken) }' "$1"
}

finish() {
  printf '\n'
  printf '%s\n' "${summaries[@]}"
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  exit "$1"
}
