"""Files that appear under their name only when they are complete, and what is no file."""

from __future__ import annotations

import os
from pathlib import Path


class FileError(RuntimeError):
    """A file cannot be written; the message says which and why."""


def other_than_file(path: Path) -> str:
    """Say that something is there and is no file; empty for a file, a link to one and nothing.

    Reading a pipe waits for a writer, and reading a device may not end.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (never raise)
        return f"{path} is a folder, a pipe or a device, and no file"
    return ""


def write_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file and the folders above it; an existing file is replaced at the end.

    The content goes into a hidden file beside it first, so that a full disk leaves neither an empty
    file nor half of one.

    Parameters
    ----------
    path
        The file.
    content
        All of its bytes.
    mode
        Permissions of the file, without those that the umask takes away.

    Raises
    ------
    FileError
        If it cannot be written. A file of that name is then unchanged.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode)
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
