"""dbt in processes that can be stopped and killed, and that need not import everything again.

A process is forked from a server of the standard library that has imported dbt and PyCaret. A new
interpreter spends up to ten seconds on that before dbt does anything.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

_SERVER: Final = multiprocessing.get_context("forkserver")
# The package is not among them, and nothing is parsed: a server with threads cannot be forked
# safely, and both dbt's static parser and Polars at work have some.
_SERVER.set_forkserver_preload(
    [
        "dbt.adapters.duckdb",
        "dbt.cli.main",
        "matplotlib.backends.backend_agg",
        "numba",
        "pycaret.clustering",
    ]
)
# or PyCaret leaves a log in the working directory of the server
os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)


class DbtProcess:
    """A running dbt command that leads a process group of its own.

    Parameters
    ----------
    arguments
        Arguments of dbt.
    environment
        All of its environment variables.
    folder
        Its working directory.
    umask
        Its file mode creation mask; None for the one of this process.

    Attributes
    ----------
    stdout
        What it writes to standard output and standard error, line by line.
    """

    stdout: TextIO

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        umask: int | None = None,
    ) -> None:
        reader, writer = _SERVER.Pipe(duplex=False)
        self._process = _SERVER.Process(
            target=_run, args=(list(arguments), dict(environment), str(folder), umask, writer)
        )
        self._process.start()
        writer.close()
        self.stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8", errors="replace")
        reader.close()

    @property
    def pid(self) -> int:
        """Id of the process and of its group."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while the process runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def rest(self) -> str:
        """Wait for the end and return everything it still has to show."""
        shown = self.stdout.read()
        self.wait()
        return shown

    def __enter__(self) -> Self:
        """Give the process itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the end, which comes at once if the block has failed."""
        if error is not None and self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)
        self.stdout.close()
        self.wait()


def _run(
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    umask: int | None,
    output: Connection,
) -> None:
    """Do what the command `dbt` does, in a process that was just forked."""
    from dbt.cli.main import cli  # noqa: PLC0415

    os.setsid()
    os.chdir(folder)
    if umask is not None:
        os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output.fileno(), stream.fileno())
        _line_by_line(stream)
    sys.argv = ["dbt", *arguments]
    try:
        cli()
    finally:
        # multiprocessing leaves out what an interpreter does at its end; dbt closes databases there
        atexit._run_exitfuncs()


def _line_by_line(stream: Any) -> None:
    """Write every line at once, as a reader waits for it."""
    stream.reconfigure(line_buffering=True)
