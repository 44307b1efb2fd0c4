#!/usr/bin/env bash
# ./build.sh size prints the size of what a visitor downloads, raw and gzipped, and its budget. A
# page fetches one of the wasm files. With --check it fails if something is larger than its budget.
for part in common tools wasm package; do
  # shellcheck source=/dev/null
  source "$(dirname "${BASH_SOURCE[0]}")/$part.sh"
done
build_package

# The rows are: name | budget in gzipped bytes, which is the size when it was last set and about 3%
# more.
BUDGETS='
JavaScript library | 65000
siskin_relaxed.wasm | 790000
siskin_relaxed.js | 11100
siskin_simd.wasm | 794000
siskin_simd.js | 11100
siskin_threads.wasm | 672000
siskin_threads.js | 6750
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

mapfile -t library < <(find pkg/dist -name '*.js' ! -path 'pkg/dist/wasm/*' | LC_ALL=C sort)
printf '%-28s %10s %10s %10s\n' "bytes" "raw" "gzip -9" "budget"
row "JavaScript library" "${library[@]}"
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
