#!/usr/bin/env bash
# ./build.sh size prints the size of what a visitor downloads, raw and gzipped, and its budget. A
# page fetches one of the wasm files, "writing" (lists of words, mostly) where it proofreads, "split
# model" where it prefetches one that llama.cpp has split,
# "OpenAI" where it uses what OpenAI's API has beside chats, and "React", "AI SDK" and "built-in AI"
# where it imports these entries.
# With --check it fails if something is larger than its budget.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package

# The rows are: name | budget in gzipped bytes. Those of page entry, page with everything, worker and
# built-in AI are what the package promises; the others are the size when it was last set and about
# 3% more.
BUDGETS='
page entry | 10000
page with everything | 35000
OpenAI | 5700
React | 1200
AI SDK | 2200
writing | 16000
worker | 25000
built-in AI | 12000
language detector | 13000
service worker | 19300
split model | 930
thread | 450
reader | 6000
siskin_relaxed.wasm | 1100000
siskin_relaxed.js | 11800
siskin_simd.wasm | 1100000
siskin_simd.js | 11800
siskin_threads.wasm | 1100000
siskin_threads.js | 12600
siskin_threads-simd.wasm | 1100000
siskin_threads-simd.js | 12600
'
too_large=()

# row NAME FILE... prints one line of the table.
row() {
  local name=$1 size budget
  shift
  size=$(for file in "$@"; do gzip -9 -n -c "$file"; done | wc -c)
  budget=$(awk -F ' *[|] *' -v name="$name" '$1 == name { print $2 }' <<<"$BUDGETS")
  [ -n "$budget" ] || fail "$name has no size budget." "give it one in scripts/size.sh."
  printf '%-28s %10d %10d %10d\n' "$name" "$(cat "$@" | wc -c)" "$size" "$budget"
  [ "$size" -le "$budget" ] ||
    too_large+=("$name weighs $size bytes gzipped, $((size - budget)) more than its budget.")
}

printf '%-28s %10s %10s %10s\n' "bytes" "raw" "gzip -9" "budget"
mapfile -t page < <(
  find pkg/dist -maxdepth 1 -name '*.js' ! -name worker.js ! -name thread.js ! -name reader.js ! -name 'sw*.js' \
    ! -name builtin_ai.js ! -name ai_sdk.js ! -name react.js ! -name 'detect-*.js' | LC_ALL=C sort
)
row "page entry" pkg/dist/siskin.js
mapfile -t rest < <(printf '%s\n' "${page[@]}" | grep -v -e /writing- -e /openai- -e /run_tools- -e /check- -e /split_model-)
row "page with everything" "${rest[@]}"
row "OpenAI" pkg/dist/{openai,run_tools,check}-*.js
row "React" pkg/dist/react.js
row "writing" pkg/dist/writing-*.js
row "split model" pkg/dist/split_model-*.js
row "AI SDK" pkg/dist/ai_sdk.js
row "worker" pkg/dist/worker.js
row "built-in AI" pkg/dist/builtin_ai.js
row "language detector" pkg/dist/detect-*.js
row "service worker" pkg/dist/sw.js
row "thread" pkg/dist/thread.js
row "reader" pkg/dist/reader.js
for wasm in pkg/dist/wasm/*_bg.wasm; do
  name=$(basename "$wasm" _bg.wasm)
  row "$name.wasm" "$wasm"
  row "$name.js" "pkg/dist/wasm/$name.js"
done
if [ "${1:-}" = --check ] && [ ${#too_large[@]} -gt 0 ]; then
  printf '%s\n' "${too_large[@]}" >&2
  fail "Visitors would download more than before." \
    "see what grew (a new dependency? code compiled once for each type?) and make it smaller," \
    "or, if it is worth its weight, raise its budget in scripts/size.sh in the same commit" \
    "and say why."
fi
