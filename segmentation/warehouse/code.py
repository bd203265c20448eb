"""Versions of code, as hashes of the folders it is in."""

from __future__ import annotations

import hashlib
from pathlib import Path


def folder_sha256(folder: Path) -> str:
    """Hash of all Python modules in a folder and below it, by path and content.

    What is computed by these modules is memoized under this hash, so a module that is added,
    renamed or edited changes it. Line endings do not count, as Git may convert them.

    Parameters
    ----------
    folder
        Folder of a package.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        for part in (path.relative_to(folder).as_posix().encode(), content):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
