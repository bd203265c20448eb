"""Files that appear under their name only when they are complete."""

from __future__ import annotations

from pathlib import Path


class FileError(RuntimeError):
    """A file cannot be written; the message says which and why."""


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
