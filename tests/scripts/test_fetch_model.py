"""These tests run the model fetcher against a local server that drops, lies and refuses."""

import contextlib
import hashlib
import http.server
import importlib.util
import io
import json
import pathlib
import sys
import tarfile
import tempfile
import threading
import unittest
import unittest.mock
import zipfile

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/fetch_model.py"
SPEC = importlib.util.spec_from_file_location("fetch_model", SCRIPT)
fetch_model = importlib.util.module_from_spec(SPEC)
sys.dont_write_bytecode = True
SPEC.loader.exec_module(fetch_model)

CONTENT = bytes(range(256)) * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT at /good and another file at /short, drops the connection at /drop after
    100,000 bytes of each response, and answers 404 elsewhere."""

    requests = []

    def do_GET(self):
        begin = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        Handler.requests.append((self.path, begin))
        if self.path not in ("/good", "/drop", "/short"):
            return self.send_error(404)
        content = b"<html>" if self.path == "/short" else CONTENT
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        end = begin + 100_000 if self.path == "/drop" else None
        self.wfile.write(content[begin:end])

    def log_message(self, *_):
        pass


class FetchModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name) / "models"
        self.catalog = pathlib.Path(temporary.name) / "catalog.json"
        Handler.requests.clear()

    def entry(self, path="/good", **more):
        entry = {
            "id": "model",
            "name": "Model",
            "file": "model.gguf",
            "license": "MIT",
            "size_bytes": len(CONTENT),
            "sha256": hashlib.sha256(CONTENT).hexdigest(),
            "url": f"http://127.0.0.1:{self.server.server_port}{path}",
        }
        return entry | more

    def run_main(self, *entries, names=("model",)):
        """Returns stdout, stderr and the exit status of main."""
        self.catalog.write_text(json.dumps(entries))
        out, err, code = io.StringIO(), io.StringIO(), None
        catalogs = unittest.mock.patch.object(fetch_model, "CATALOGS", [self.catalog])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), catalogs:
            try:
                fetch_model.main(str(self.folder), list(names))
            except SystemExit as stop:
                code = stop.code
        return out.getvalue(), err.getvalue(), code

    def held(self, name="model.gguf"):
        return (self.folder / name).read_bytes()

    def test_fetches_once_and_prints_the_path(self):
        for _ in range(2):
            out, _, code = self.run_main(self.entry())
            self.assertIsNone(code)
            self.assertEqual(out.strip(), str(self.folder / "model.gguf"))
            self.assertEqual(self.held(), CONTENT)
        self.assertEqual(Handler.requests, [("/good", 0)])

    def test_a_dropped_connection_is_taken_up_where_it_broke(self):
        _, err, code = self.run_main(self.entry("/drop"))
        self.assertIsNone(code)
        self.assertEqual(self.held(), CONTENT)
        self.assertEqual(Handler.requests, [("/drop", 0), ("/drop", 100_000), ("/drop", 200_000)])
        self.assertIn("going on at", err)

    def test_a_later_run_goes_on_from_what_is_there(self):
        (self.folder / ".fetch").mkdir(parents=True)
        (self.folder / ".fetch/model.gguf.url").write_bytes(CONTENT[:1234])
        self.assertIsNone(self.run_main(self.entry())[2])
        self.assertEqual(self.held(), CONTENT)
        self.assertEqual(Handler.requests, [("/good", 1234)])

    def test_a_wrong_hash_is_thrown_away(self):
        _, _, code = self.run_main(self.entry(sha256="0" * 64))
        self.assertIn("wrong SHA-256", code)
        self.assertFalse((self.folder / "model.gguf").exists())

    def test_a_spoilt_file_is_fetched_anew(self):
        self.run_main(self.entry())
        (self.folder / "model.gguf").write_bytes(b"x" * len(CONTENT))
        self.assertIsNone(self.run_main(self.entry())[2])
        self.assertEqual(self.held(), CONTENT)

    def test_another_file_at_the_address_and_404_say_so(self):
        self.assertIn("another file", self.run_main(self.entry("/short"))[2])
        self.assertIn("404", self.run_main(self.entry("/gone"))[2])
        self.assertIn("What to do", self.run_main(self.entry("/gone"))[2])

    def test_the_fallback_is_taken_with_a_sentence(self):
        gone = self.entry("/gone", fallback="second")
        second = self.entry(id="second", name="Second", file="second.gguf")
        out, err, code = self.run_main(gone, second)
        self.assertIsNone(code)
        self.assertEqual(out.strip(), str(self.folder / "second.gguf"))
        self.assertIn("taking Second instead", err)

    def test_members_of_packages_are_joined(self):
        work = self.folder / ".fetch"
        for name, content in (("a-1", CONTENT[:5000]), ("b-1", CONTENT[5000:])):
            (work / name).mkdir(parents=True)
            (work / name / "complete").touch()
            if name == "a-1":
                with zipfile.ZipFile(work / name / "a-1.whl", "w") as wheel:
                    wheel.writestr("a/part.bin", content)
            else:
                with tarfile.open(work / name / "b-1.tar.gz", "w:gz") as package:
                    member = tarfile.TarInfo("b-1/data/part.bin")
                    member.size = len(content)
                    package.addfile(member, io.BytesIO(content))
        sources = [
            {"wheel": "a==1", "member": "a/part.bin"},
            {"package": "b==1", "member": "data/part.bin"},
        ]
        _, err, code = self.run_main(self.entry("/gone", sources=sources))
        self.assertIsNone(code, err)
        self.assertEqual(self.held(), CONTENT)
        self.assertEqual(sorted(path.name for path in work.iterdir()), ["lock"])

    def test_members_that_fit_a_pattern_are_joined_in_the_order_of_their_names(self):
        work = self.folder / ".fetch/b-1"
        work.mkdir(parents=True)
        (work / "complete").touch()
        contents = {"data/b.txt": CONTENT[5000:], "data/a.txt": CONTENT[:5000], "data/a.md": b"no", "other/a.txt": b"no"}
        with tarfile.open(work / "b-1.tar.gz", "w:gz") as package:
            for name, content in contents.items():
                member = tarfile.TarInfo(f"b-1/{name}")
                member.size = len(content)
                package.addfile(member, io.BytesIO(content))
        sources = [{"package": "b==1", "member": "data/*.txt"}]
        _, err, code = self.run_main(self.entry("/gone", sources=sources))
        self.assertIsNone(code, err)
        self.assertEqual(self.held(), CONTENT)

    def test_a_missing_member_is_named(self):
        work = self.folder / ".fetch/a-1"
        work.mkdir(parents=True)
        (work / "complete").touch()
        zipfile.ZipFile(work / "a.whl", "w").close()
        sources = [{"wheel": "a==1", "member": "a/part.bin"}]
        _, _, code = self.run_main(self.entry("/gone", sources=sources))
        self.assertIn("does not hold a/part.bin", code)

    def test_an_unknown_name_lists_the_known(self):
        self.assertIn("Known: model", self.run_main(self.entry(), names=["nothing"])[2])

    def test_the_catalogs_are_sound(self):
        for path in fetch_model.CATALOGS:
            entries = json.loads(path.read_text())
            known = {entry["id"] for entry in entries}
            for entry in entries:
                self.assertRegex(entry["sha256"], "^[0-9a-f]{64}$")
                self.assertGreater(entry["size_bytes"], 0)
                self.assertIn("url" if "url" in entry else "sources", entry)
                self.assertIn(entry.get("fallback", entry["id"]), known)


if __name__ == "__main__":
    unittest.main()
