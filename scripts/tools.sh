# shellcheck shell=bash disable=SC2034
# This file finds or installs what building and testing need. It is sourced after common.sh; each
# need_* may be called again at no cost.

RUST_MINIMUM=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
TRIPLE=wasm32-unknown-unknown

need_rust() {
  have cargo || PATH=$HOME/.cargo/bin:$PATH
  { have cargo && have rustc; } ||
    fail "Rust is missing." \
      "install it with rustup (https://rustup.rs), open a new shell and run this again."
  local version
  version=$(rustc --version | cut -d ' ' -f 2) ||
    fail "rustc does not run." "set a default toolchain with: rustup default stable"
  at_least "$RUST_MINIMUM" "$version" ||
    fail "Rust $version is too old, $RUST_MINIMUM is needed." "rustup update stable"
  have cc || apt_install gcc libc6-dev ||
    fail "No C linker (cc)." "install gcc: apt-get install gcc libc6-dev"
}

need_python() {
  have python3 || apt_install python3 || fail "Python 3 is missing." "apt-get install python3"
}

need_pip() {
  need_python
  python3 -c 'import pip' 2>/dev/null || apt_install python3-pip ||
    fail "Python's pip is missing." "apt-get install python3-pip"
}

need_node() {
  have node || fail "Node is missing." "install Node 20 or newer (https://nodejs.org)."
  local version
  version=$(node --version | tr -d v)
  at_least 20 "$version" ||
    fail "Node $version is too old, 20 is needed." "install Node 20 or newer (https://nodejs.org)."
  have npm || apt_install npm || fail "npm is missing." "apt-get install npm"
}

# need_node_modules installs the packages that pkg/package-lock.json pins: the browser drivers,
# typescript, eslint, prettier, binaryen, and wllama (a peer in benchmarks).
need_node_modules() {
  need_npm_packages pkg "playwright-core, puppeteer-core, typescript, binaryen (wasm-opt), wllama"
}

# need_docs_modules installs the packages that docs/package-lock.json pins: what makes the site of
# the docs, and what their examples use.
need_docs_modules() {
  need_npm_packages docs "typedoc"
}

# need_npm_packages FOLDER WHAT installs what a folder's lock file pins. Its node_modules is a link
# into the cache, unless npm was run there by hand.
need_npm_packages() {
  need_node
  if [ -d "$1/node_modules" ] && [ ! -L "$1/node_modules" ]; then return 0; fi
  local folder
  folder=$CACHE/node/$(content_hash "$1/package.json" "$1/package-lock.json")
  [ -f "$folder/complete" ] || locked npm install_npm_packages "$folder" "$@"
  [ "$(readlink "$1/node_modules" || true)" = "$folder/node_modules" ] ||
    ln -sfn "$folder/node_modules" "$1/node_modules"
}

install_npm_packages() {
  [ ! -f "$1/complete" ] || return 0
  step "npm: $3"
  rm -rf "$1" && mkdir -p "$1"
  cp "$2/package.json" "$2/package-lock.json" "$1"
  (cd "$1" && npm ci --no-audit --no-fund >&2) ||
    fail "npm could not install its packages." "check the network (npm ping), then run this again."
  touch "$1/complete"
}

# need_wasm_bindgen sets WASM_BINDGEN to the folder of the CLI in the version of Cargo.lock, because
# the two must match.
need_wasm_bindgen() {
  local version
  version=$(awk '
    $1 == "name" && $3 == "\"wasm-bindgen\"" { getline; gsub(/"/, "", $3); print $3 }' Cargo.lock)
  WASM_BINDGEN=$CACHE/tools/wasm-bindgen-$version/bin
  [ -x "$WASM_BINDGEN/wasm-bindgen-test-runner" ] ||
    locked wasm-bindgen install_wasm_bindgen "$version"
}

install_wasm_bindgen() {
  [ ! -x "$WASM_BINDGEN/wasm-bindgen-test-runner" ] || return 0
  step "wasm-bindgen CLI $1 (about two minutes, once)"
  local install=(cargo install wasm-bindgen-cli --version "$1" --root "${WASM_BINDGEN%/bin}")
  CARGO_TARGET_DIR=$CACHE/target/tools "${install[@]}" >&2 ||
    fail "wasm-bindgen-cli $1 could not be installed." \
      "check the network, or by hand: ${install[*]}"
  rm -rf "$CACHE/target/tools"
}

# need_wasm_toolchain sets WASM_TOOLCHAIN to rustup or debian, and WASM_COMPILER to the compiler's
# version.
need_wasm_toolchain() {
  need_rust
  [ -z "${WASM_TOOLCHAIN:-}" ] || return 0
  case ${SISKIN_WASM_TOOLCHAIN:-} in
    rustup)
      rustup_wasm || add_rustup_wasm ||
        fail "rustup has no $TRIPLE here." "rustup target add $TRIPLE"
      ;;
    debian)
      debian_wasm || add_debian_wasm ||
        fail "Debian's rustc-web is not usable here." \
          "apt-get install rustc-web cargo-web rust-web-src lld-19"
      ;;
    "")
      rustup_wasm || debian_wasm || add_rustup_wasm || add_debian_wasm ||
        fail "No Rust that builds for $TRIPLE." "with a network: rustup target add $TRIPLE" \
          "on Debian: apt-get install rustc-web cargo-web rust-web-src lld-19"
      ;;
    *)
      fail "SISKIN_WASM_TOOLCHAIN=$SISKIN_WASM_TOOLCHAIN is not known." \
        "give it rustup or debian, or leave it unset."
      ;;
  esac
  say "wasm is built by $WASM_COMPILER ($WASM_TOOLCHAIN)"
}

rustup_wasm() {
  have rustup && rustup target list --installed 2>/dev/null | grep -qx "$TRIPLE" || return 1
  [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library/std" ] || return 1
  WASM_TOOLCHAIN=rustup WASM_COMPILER=$(rustc --version)
}

add_rustup_wasm() {
  have rustup || return 1
  step "rustup: $TRIPLE, and the standard library's source for the build with threads"
  if ! RUSTUP_MAX_RETRIES=1 timeout 120 rustup target add "$TRIPLE" >&2 ||
    ! RUSTUP_MAX_RETRIES=1 timeout 120 rustup component add rust-src >&2; then
    say "rustup cannot download here"
    return 1
  fi
  rustup_wasm
}

debian_wasm() {
  [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] || return 1
  [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ] || return 1
  at_least "$RUST_MINIMUM" "$(/usr/bin/rustc --version | cut -d ' ' -f 2)" || return 1
  wasm_linker || return 1
  WASM_TOOLCHAIN=debian WASM_COMPILER=$(/usr/bin/rustc --version)
}

add_debian_wasm() {
  step "Debian's rustc-web: a compiler and the standard library's source"
  apt_install rustc-web cargo-web rust-web-src || return 1
  wasm_linker || apt_install lld-19 || return 1
  debian_wasm
}

# wasm_linker finds a linker, because Debian's rustc has none for wasm: any rustup toolchain's
# rust-lld works, or LLVM's own.
wasm_linker() {
  local candidate
  for candidate in "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/lib/rustlib/*/bin/rust-lld \
    "$(command -v wasm-ld-19 || true)"; do
    if [ -x "$candidate" ]; then
      WASM_LINKER=$candidate
      return 0
    fi
  done
  return 1
}

# need_chromium sets SISKIN_CHROMIUM, and with the argument "driver" CHROMEDRIVER too.
need_chromium() {
  find_chromium "$@" && return 0
  step "Chromium"
  apt_install chromium chromium-driver || true
  find_chromium "$@" || fail "No Chromium${1:+ with its driver} was found." \
    "Debian: apt-get install chromium chromium-driver" \
    "elsewhere: install Google Chrome and chromedriver, and set SISKIN_CHROMIUM to its program."
}

find_chromium() {
  local name
  for name in chromium google-chrome google-chrome-stable chromium-browser; do
    [ -n "${SISKIN_CHROMIUM:-}" ] || SISKIN_CHROMIUM=$(command -v "$name" || true)
  done
  CHROMEDRIVER=$(command -v chromedriver || true)
  export SISKIN_CHROMIUM CHROMEDRIVER
  [ -x "$SISKIN_CHROMIUM" ] && { [ "${1:-}" != driver ] || [ -x "$CHROMEDRIVER" ]; }
}

# Firefox has WebGPU in its releases from this version on.
FIREFOX_MINIMUM=141

# need_firefox sets SISKIN_FIREFOX. Mesa's Vulkan gives Firefox a WebGPU adapter on machines without
# a GPU.
need_firefox() {
  find_firefox && return 0
  step "Firefox"
  apt_install firefox-esr mesa-vulkan-drivers || true
  find_firefox || fail "No Firefox $FIREFOX_MINIMUM or later was found." \
    "Debian: apt-get install firefox-esr mesa-vulkan-drivers" \
    "elsewhere: install Firefox, and set SISKIN_FIREFOX to its program."
}

find_firefox() {
  local name
  for name in firefox-esr firefox; do
    [ -n "${SISKIN_FIREFOX:-}" ] || SISKIN_FIREFOX=$(command -v "$name" || true)
  done
  export SISKIN_FIREFOX
  [ -x "$SISKIN_FIREFOX" ] &&
    at_least "$FIREFOX_MINIMUM" \
      "$("$SISKIN_FIREFOX" --version | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1)"
}

# need_vulkan finds a Vulkan device for the native GPU tests: lavapipe, if there is no real one.
need_vulkan() {
  find_vulkan && return 0
  step "Vulkan in software (lavapipe)"
  apt_install mesa-vulkan-drivers || true
  find_vulkan || fail "No Vulkan driver was found." \
    "Debian: apt-get install mesa-vulkan-drivers" \
    "elsewhere: install Mesa's lavapipe, or a graphics driver with Vulkan."
}

find_vulkan() {
  [ "$(uname)" = Linux ] || return 0
  compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
    compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null ||
    [ -n "${VK_ICD_FILENAMES:-}${VK_DRIVER_FILES:-}" ]
}

XLLAMACPP_VERSION=2026.10.11549

# need_xllamacpp sets XLLAMACPP to the Python of a virtual environment with llama.cpp as a wheel: it
# is the native peer in benchmarks and the fallback server in tests.
need_xllamacpp() {
  need_python
  local folder=$CACHE/tools/xllamacpp-$XLLAMACPP_VERSION
  XLLAMACPP=$folder/bin/python
  [ -f "$folder/complete" ] || locked xllamacpp install_xllamacpp "$folder"
}

install_xllamacpp() {
  [ ! -f "$1/complete" ] || return 0
  step "llama.cpp (the wheel xllamacpp $XLLAMACPP_VERSION)"
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv ||
    fail "Python's venv is missing." "apt-get install python3-venv"
  rm -rf "$1"
  python3 -m venv "$1" >&2 ||
    fail "Python could not make a virtual environment." "apt-get install python3-venv"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
    "xllamacpp==$XLLAMACPP_VERSION" >&2 ||
    fail "pip could not install xllamacpp $XLLAMACPP_VERSION." \
      "check the network; a benchmark can leave this peer out: --peer wllama"
  touch "$1/complete"
}
