#!/usr/bin/env bash
# This script runs every task of Siskin; ./build.sh help lists them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'TEXT'
./build.sh demo                 set up, build, fetch the default model, serve the demo page
./build.sh demo --ask "PROMPT"  the same without a person: prints headless Chromium's answer
    [--model FILE|NAME] [--max-tokens N] [--backend auto|gpu|cpu] [--threads N] [--context N]
./build.sh test                 set up and run every test
./build.sh test NAME [PATTERN]  one suite (lint, scripts, js, rust, wasm, size, gpu, e2e, package),
                                or one test file by its name: tokenizer is tests/tokenizer.rs, api
                                is tests/e2e/api.test.mjs; PATTERN runs only the tests whose names
                                hold it. package builds and runs an app of each bundler, of which
                                ./build.sh test runs a part
./build.sh build                the wasm files and the npm package, into pkg/dist; the demo as a
                                site to upload, into pkg/site
./build.sh extension            the writing assistant for Chrome, into pkg/extension, and its zip for
                                the store
./build.sh docs                 the docs as a site, into pkg/site/docs
./build.sh pack                 the npm package as a tarball to publish, pkg/siskin-VERSION.tgz
./build.sh size                 what the package weighs, raw and gzipped, beside its budgets
./build.sh bench                speed of Siskin and its peers in turn, in headless Chromium:
                                medians and ratios
    [--model FILE|NAME] [--threads 1,2] [--prompt 128] [--generate 48]
    [--peer wllama,native,transformers] [--onnx FOLDER for transformers.js]
    [--rounds 3] [--json FILE]
./build.sh bench --backend gpu  the same on the graphics card, in Chromium and Firefox, beside
                                wllama on the processor
    [--model FILE|NAME] [--prompt 64] [--generate 48] [--rounds 2]
./build.sh bench --kernels      speed of the matrix products alone, native and in Chromium, beside
                                that of reading memory
./build.sh bench --speculation  what guessing tokens gains where texts are corrected, in Chromium
    [--threads 1,2] [--limit 20] [--json FILE]
./build.sh bench --proofread    how long siskin.proofread takes for 200 characters, warm
    [--on cpu1,cpu2,gpu] [--runs 4]
./build.sh bench --extension [RUNS]  how long the Chrome extension takes for 200 characters, and
                                what the page feels of it
./build.sh quality              how good corrections are: those of a set of texts (tests/quality)
    [--model FILE|NAME] [--set development|held_out] [--correct proofread|baseline]
    [--threads N] [--languages en,de] [--limit N] [--ids ID,ID] [--json FILE]
    [--record FILE in Node, keeping what the model says in FILE: to try thresholds]
./build.sh help                 this text

What is missing is installed (apt-get, cargo, npm) or fetched; all of it stays in
${XDG_CACHE_HOME:-~/.cache}/siskin.
SISKIN_WASM_TOOLCHAIN=rustup|debian  takes that toolchain for wasm instead of the first that serves
SISKIN_CHROMIUM=FILE                 takes that Chromium or Chrome
SISKIN_FIREFOX=FILE                  takes that Firefox
TEXT
}

task=${1:-help}
[ $# -eq 0 ] || shift
case $task in
  demo | test | build | docs | extension | pack | size | bench | quality) exec bash "scripts/$task.sh" "$@" ;;
  help | -h | --help) usage ;;
  *)
    echo "There is no task \"$task\"." >&2
    usage >&2
    exit 2
    ;;
esac
