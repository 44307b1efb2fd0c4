# shellcheck shell=bash
# This file builds the npm package (the wasm files, the JavaScript library and its types) and the
# demo as a site, in pkg, and packs the package. It is sourced after wasm.sh.

build_package() {
  build_wasm
  find pkg/dist -mindepth 1 -maxdepth 1 ! -name wasm -exec rm -rf {} +
  find pkg/dist/wasm -name '*.d.ts' -delete
  node scripts/strip_comments.mjs pkg/dist/wasm
  node scripts/bundle.mjs pkg/dist ||
    fail "The JavaScript library could not be bundled." "mend what rolldown says above."
  rm -rf pkg/src pkg/types
  cp -Rp www/lib pkg/src
  pkg/node_modules/.bin/tsc -p www/tsconfig.types.json >&2 ||
    fail "The JavaScript library's types do not check." "mend what tsc says above."
  cp LICENSE-* pkg/dist/
  rm -rf pkg/bin && mkdir pkg/bin
  cp -p scripts/shell.mjs pkg/bin/list_files.mjs
  build_site
}

# build_site makes the demo a folder for any static host. It lists only the models for which
# models.json has a URL; the others would have to be uploaded.
build_site() {
  # The docs, which ./build.sh docs makes, stay, but the service worker need not keep them.
  rm -rf target/site-docs && mkdir -p target
  [ ! -d pkg/site/docs ] || mv pkg/site/docs target/site-docs
  rm -rf pkg/site && mkdir pkg/site
  cp -Rp www/demo pkg/site/
  cp -Rp pkg/dist pkg/site/lib
  mv pkg/site/lib/sw.js pkg/site/
  # The demo shows Markdown with this library; its licence goes with it.
  rm pkg/site/demo/vendor/*.d.ts
  cp -p pkg/node_modules/marked/lib/marked.esm.js pkg/site/demo/vendor/marked.js
  cp -p pkg/node_modules/marked/LICENSE pkg/site/demo/vendor/LICENSE-marked
  pkg/node_modules/.bin/rolldown www/assistant/index.js --minify --log-level warn \
    --file pkg/site/demo/vendor/assistant.js >&2 ||
    fail "The writing assistant could not be bundled." "mend what rolldown says above."
  # This file makes GitHub Pages serve the files unchanged.
  touch pkg/site/.nojekyll
  find pkg/site/lib \( -name '*.map' -o -name 'LICENSE-MIT' -o -name 'LICENSE-APACHE' \) -delete
  cat >pkg/site/index.html <<'HTML'
<!doctype html><html lang="en"><meta charset="utf-8"><title>Siskin</title>
<meta http-equiv="refresh" content="0; url=demo/"><a href="demo/">Siskin</a></html>
HTML
  node -e '
    const { readFileSync, writeFileSync } = require("node:fs");
    const models = JSON.parse(readFileSync("www/models.json"))
      .filter(({ url }) => url)
      .map(({ id, name, about, file, size_bytes, memory_bytes, sha256, license, url }) => (
        { id, name, about, file, size_bytes, memory_bytes, sha256, license, url }
      ));
    writeFileSync("pkg/site/models.json", JSON.stringify(models, null, 2));'
  node scripts/shell.mjs pkg/site >&2
  [ ! -d target/site-docs ] || mv target/site-docs pkg/site/docs
}

# pack_package makes the package's tarball, which is what is published: pkg/siskin-VERSION.tgz. Its
# package.json lacks what only this repository uses.
pack_package() {
  local folder=pkg/packed
  rm -rf "$folder" pkg/siskin-*.tgz && mkdir "$folder"
  cp -Rp pkg/bin pkg/dist pkg/src pkg/types pkg/README.md LICENSE-* "$folder"
  node -e '
    const { readFileSync, writeFileSync } = require("node:fs");
    const { private: _, scripts, devDependencies, ...published } =
      JSON.parse(readFileSync("pkg/package.json"));
    writeFileSync(process.argv[1], `${JSON.stringify(published, null, 2)}\n`);' \
    "$folder/package.json"
  npm pack --silent --pack-destination pkg "./$folder" >&2 ||
    fail "npm could not pack the package." "mend what npm says above."
  rm -rf "$folder"
}
