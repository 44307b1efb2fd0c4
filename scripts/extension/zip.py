"""Makes the extension's zip for the store: python3 scripts/extension/zip.py FOLDER ZIP

Names are sorted, times are fixed and no file has rights of its own, so that two builds of the same
sources are the same bytes.
"""

import sys
import zipfile
from pathlib import Path

# The earliest time that a zip can name.
TIME = (1980, 1, 1, 0, 0, 0)
# A plain file that everybody may read.
RIGHTS = 0o100644 << 16

folder, target = map(Path, sys.argv[1:])
files = sorted(path for path in folder.rglob("*") if path.is_file())
names = [path.relative_to(folder).as_posix() for path in files]
with zipfile.ZipFile(target, "w") as archive:
    for name, path in sorted(zip(names, files)):
        info = zipfile.ZipInfo(name, TIME)
        info.create_system = 3
        info.external_attr = RIGHTS
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, path.read_bytes(), compresslevel=9)
print(f"{target}: {len(names)} files, {target.stat().st_size} bytes")
