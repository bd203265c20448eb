"""The code of the package: its version as a hash, and as an archive to run it elsewhere."""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib import metadata
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


def package_archive() -> bytes:
    """Zip archive with the package, whose folder can be an entry of `PYTHONPATH`.

    With it comes what names its version, for `importlib.metadata`. The same code gives the same
    bytes.
    """
    package = Path(__file__).parents[1]
    name = metadata.metadata("store-segments")
    files = {
        path.relative_to(package.parent).as_posix(): path.read_bytes()
        for path in sorted(package.rglob("*.py"))
    }
    files[f"store_segments-{name['Version']}.dist-info/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name['Name']}\nVersion: {name['Version']}\n".encode()
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, written in files.items():
            archive.writestr(zipfile.ZipInfo(file), written, zipfile.ZIP_DEFLATED)
    return content.getvalue()
