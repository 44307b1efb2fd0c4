"""These tests hold for the extension's zip: the same files make the same bytes, whatever their times,
rights and order on the disk are."""

import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

ZIP = Path(__file__).parents[2] / "scripts/extension/zip.py"
FILES = {"manifest.json": b"{}", "b/a.js": b"let a;\n" * 100, "a/b.js": b"\0\xff", "a.css": b""}


def make(folder, names, time):
    """Writes the files in this order, with this time, and returns their zip."""
    for name in names:
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILES[name])
        path.chmod(0o644 if time % 2 else 0o755)
        os.utime(path, (time, time))
    target = folder / "extension.zip"
    subprocess.run([sys.executable, ZIP, folder / "files", target], check=True, capture_output=True)
    return target


class ExtensionZip(unittest.TestCase):
    def test_two_builds_are_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            first = make(Path(one), list(FILES), 1_000_000_000)
            second = make(Path(two), list(reversed(FILES)), 1_700_000_001)
            self.assertEqual(first.read_bytes(), second.read_bytes())

    def test_it_holds_the_files_and_the_manifest_at_its_root(self):
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(make(Path(folder), list(FILES), 1_000_000_000)) as archive:
                self.assertEqual(archive.namelist(), sorted(FILES))
                self.assertEqual({name: archive.read(name) for name in FILES}, FILES)


if __name__ == "__main__":
    unittest.main()
