"""Calls of functions of the package in a task of the engine: the process that makes them.

`python -m segmentation.engine.calls` reads from its standard input which files of a job are its
own, calls what each says, and writes a report to its standard output (`tasks.called`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import sys
import uuid
from typing import Any

from pyarrow import fs


def call_file(number: int) -> str:
    """Name of the file with a function and its arguments."""
    return f"call_{number}.pickle"


def read_verified(filesystem: fs.FileSystem, path: str, sha256: str) -> Any:
    """What a pickle contains.

    Raises
    ------
    ValueError
        If it is not the file that was written, so nothing of it is loaded.
    """
    with filesystem.open_input_file(path) as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.rpartition('/')[2]} in the shared folder has been changed")
    return pickle.loads(content)  # noqa: S301 (verified)


def write_pickle(filesystem: fs.FileSystem, path: str, value: object) -> str:
    """Write a value; the hash of the file."""
    content = pickle.dumps(value)
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)
    return hashlib.sha256(content).hexdigest()


def _report(filesystem: fs.FileSystem, folder: str, number: int, sha256: str) -> dict[str, Any]:
    try:
        path = f"{folder}/{call_file(number)}"
        function, arguments = read_verified(filesystem, path, sha256)
        result = function(*arguments)
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    file = f"{uuid.uuid4().hex}.pickle"
    written = write_pickle(filesystem, f"{folder}/{file}", result)
    return {"call": number, "file": file, "sha256": written}


def main() -> None:
    """Make all calls in order."""
    given = json.load(sys.stdin)
    filesystem, folder = fs.FileSystem.from_uri(given["folder"])
    with contextlib.redirect_stdout(sys.stderr):  # libraries print
        reports = [_report(filesystem, folder, *call) for call in given["calls"]]
    sys.stdout.write(json.dumps(reports))


if __name__ == "__main__":
    main()
