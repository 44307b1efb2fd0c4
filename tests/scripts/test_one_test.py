"""These tests hold what `./build.sh test NAME` runs, with a folder of tests that are empty."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The script sources these, and the tests replace them: nothing is installed or built.
PARTS = ["common", "checks", "tools", "wasm", "package", "native", "models"]
FUNCTIONS = """
tests=1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check() { shift 2; echo "$@"; }
fail() { echo "$1" >&2; exit 1; }
finish() { exit "$1"; }
step() { :; }
for name in need_{rust,python,node,node_modules,chromium,firefox,wasm_toolchain} \\
  need_{wasm_bindgen,vulkan,xllamacpp} fetch_models; do
  eval "$name() { :; }"
done
"""


class OneTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/test.sh", self.root / "scripts")
        for part in PARTS:
            (self.root / f"scripts/{part}.sh").write_text(FUNCTIONS if part == "common" else "")
        for name in [
            "js/alone.test.mjs",
            "js/twin.test.mjs",
            "e2e/twin.test.mjs",
            "e2e/page.test.mjs",
            "triplet.rs",
            "scripts/triplet.py",
            "js/triplet.test.mjs",
            "e2e/triplet.test.mjs",
        ]:
            file = self.root / "tests" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("")

    def run_test(self, name):
        """Returns what the script runs for a name, a line each."""
        done = subprocess.run(
            ["bash", "scripts/test.sh", name], cwd=self.root, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_every_file_of_the_name_is_run(self):
        node = "node --test --test-reporter=spec"
        build = "bash scripts/build.sh"
        self.assertEqual(self.run_test("alone"), [f"{node} tests/js/alone.test.mjs"])
        self.assertEqual(self.run_test("page"), [build, f"{node} tests/e2e/page.test.mjs"])
        self.assertEqual(
            self.run_test("twin"),
            [f"{node} tests/js/twin.test.mjs", build, f"{node} tests/e2e/twin.test.mjs"],
        )
        self.assertEqual(
            self.run_test("triplet"),
            [
                "python3 -m unittest discover -s tests/scripts -p triplet.py -v",
                f"{node} tests/js/triplet.test.mjs",
                "native_cargo test --locked --test triplet",
                build,
                f"{node} tests/e2e/triplet.test.mjs",
            ],
        )

    def test_an_unknown_name_is_refused(self):
        done = subprocess.run(
            ["bash", "scripts/test.sh", "nobody"], cwd=self.root, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn('no test file "nobody"', done.stderr)


if __name__ == "__main__":
    unittest.main()
