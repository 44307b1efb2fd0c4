# shellcheck shell=bash
# This file runs cargo for this machine, in a target folder that all checkouts share. It is sourced
# after tools.sh.

# native_cargo SUBCOMMAND [ARGUMENT...] runs cargo for this machine, one run at a time.
native_cargo() {
  locked "native cargo" native_cargo_alone "$@"
}

native_cargo_alone() {
  export CARGO_TARGET_DIR=$CACHE/target/native
  fresh_target "$CARGO_TARGET_DIR" cargo clean -p siskin
  cargo "$@"
}
