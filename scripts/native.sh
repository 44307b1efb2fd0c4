# shellcheck shell=bash
# Cargo for this machine, in a target folder that all checkouts share. Sourced after tools.sh.

# native_cargo SUBCOMMAND [ARGUMENT...]
native_cargo() {
  locked "native cargo" native_cargo_alone "$@"
}

native_cargo_alone() {
  export CARGO_TARGET_DIR=$CACHE/target/native
  fresh_target "$CARGO_TARGET_DIR" cargo clean -p siskin
  cargo "$@"
}
