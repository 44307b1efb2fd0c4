"""These tests hold the crates that Siskin depends on to deny.toml, without cargo-deny."""

import collections
import json
import pathlib
import re
import subprocess
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def is_allowed(expression, allowed):
    """Returns whether an SPDX expression can be satisfied by the allowed licences."""
    # A slash is the old way to write OR.
    tokens = re.findall(r"\(|\)|[\w.+-]+", expression.replace("/", " OR "))

    def any_of():
        result = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = all_of() or result
        return result

    def all_of():
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one():
        token = tokens.pop(0)
        if token == "(":
            result = any_of()
            tokens.pop(0)
            return result
        # An exception only adds to what a licence permits.
        if tokens and tokens[0] == "WITH":
            del tokens[:2]
        return token in allowed

    result = any_of()
    return result and not tokens


class Crates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deny = tomllib.loads((ROOT / "deny.toml").read_text())
        command = ["cargo", "metadata", "--locked", "--format-version", "1"]
        metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
        packages = json.loads(metadata)["packages"]
        cls.crates = [package for package in packages if package["source"] is not None]
        cls.own = [package for package in packages if package["source"] is None]
        assert len(cls.crates) > 50, "the crates are found"

    def test_expressions(self):
        allowed = {"MIT", "Zlib"}
        for expression, expected in [
            ("MIT", True),
            ("GPL-3.0", False),
            ("GPL-3.0 OR MIT", True),
            ("GPL-3.0/MIT", True),
            ("MIT AND GPL-3.0", False),
            ("Zlib AND (GPL-3.0 OR MIT)", True),
            ("(MIT OR Zlib) AND GPL-3.0", False),
            ("MIT WITH LLVM-exception", True),
        ]:
            self.assertEqual(is_allowed(expression, allowed), expected, expression)

    def test_licences(self):
        allowed = set(self.deny["licenses"]["allow"])
        refused = {
            f"{crate['name']}: {crate['license']}"
            for crate in self.crates
            if not is_allowed(crate["license"] or "none", allowed)
        }
        self.assertEqual(refused, set())

    def test_sources(self):
        # Cargo.lock names the one registry of all.
        sources = {crate["source"] for crate in self.crates}
        self.assertEqual(len(sources), 1)
        self.assertTrue(sources.pop().startswith("registry+"))

    def test_no_crate_has_two_versions(self):
        skipped = set(self.deny["bans"]["skip"])
        versions = collections.defaultdict(set)
        for crate in self.crates:
            if f"{crate['name']}@{crate['version']}" not in skipped:
                versions[crate["name"]].add(crate["version"])
        twice = {name: found for name, found in versions.items() if len(found) > 1}
        self.assertEqual(twice, {})

    def test_versions_are_pinned(self):
        for package in self.own:
            for dependency in package["dependencies"]:
                if dependency["source"] is not None:
                    self.assertRegex(dependency["req"], r"^=", dependency["name"])


if __name__ == "__main__":
    unittest.main()
