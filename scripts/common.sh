# shellcheck shell=bash disable=SC2034
# Every script sources this file: it holds their paths, messages and installations.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/siskin
MODELS=$CACHE/models
mkdir -p "$CACHE"
cd "$ROOT"

# Messages go to stderr, because stdout is for answers and figures.
step() { printf '\n==> %s\n' "$*" >&2; }
say() { printf '    %s\n' "$*" >&2; }
fail() {
  printf '\nSTOPPED: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  What to do: %s\n' "$@" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least 1.89 1.96.0 succeeds if the second version is at least the first.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# content_hash FILE-OR-FOLDER... prints one hash of the files' names and contents. It does not
# depend on the checkout's path and the files' times.
content_hash() {
  local present=() path
  for path in "$@"; do [ ! -e "$path" ] || present+=("$path"); done
  find "${present[@]}" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum |
    sha256sum | cut -c 1-24
}

# locked NAME COMMAND... runs a command while no other run holds the lock: several checkouts share
# one cache.
locked() {
  local name=$1
  shift
  mkdir -p "$CACHE/locks"
  (
    flock -n 9 || {
      say "another build.sh is at $name; waiting for it"
      flock 9
    }
    "$@"
  ) 9>"$CACHE/locks/$name"
}

# apt_install PACKAGE... fails if apt-get is absent or fails, so that the caller can say what to do.
apt_install() {
  have apt-get || return 1
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || return 1
    as_root=(sudo)
  fi
  say "apt-get install $*"
  # Old package lists name old browsers, which have no WebGPU.
  "${as_root[@]}" apt-get update -q >&2 || say "the package lists could not be refreshed"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "$@" >&2
}

# fresh_target FOLDER CLEAN-COMMAND... runs the command if cargo could take stale files for fresh
# ones. A target folder serves every checkout, and cargo compares file times only, so siskin is
# cleaned if another checkout was built last, or if files changed without a newer time.
fresh_target() {
  local folder=$1 stamp=$1/checkout now was="" hash
  shift
  hash=$(content_hash Cargo.toml Cargo.lock build.rs src shaders vendor tests)
  now="$ROOT $hash"
  [ ! -f "$stamp" ] || was=$(<"$stamp")
  [ "$was" != "$now" ] || return 0
  if [ -n "$was" ]; then
    if [ "${was% *}" != "$ROOT" ] ||
      [ -z "$(find Cargo.toml src tests -newer "$stamp" -print -quit)" ]; then
      "$@" 2>/dev/null
    fi
  fi
  mkdir -p "$folder"
  printf '%s' "$now" >"$stamp"
}
