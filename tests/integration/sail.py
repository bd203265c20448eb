"""A Spark Connect server without Java, in a process that a test may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Self

from .connect_server import ConnectServer

#: Prints its port once it listens. It runs outside the project: workers need not have its code.
_SERVER: Final = """
import sys, threading
from pysail.spark import SparkConnectServer
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
print(server.listening_address[1], flush=True)
threading.Event().wait()
"""


class Sail(ConnectServer):
    """A server of Sail, stopped at the end of a `with` block.

    Parameters
    ----------
    environment
        Further environment variables of the server, in whose process the tasks run.
    """

    def __init__(self, **environment: str) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        """Start the server and wait until it listens."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name, "log.txt").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            cwd=self._folder.name,
            env={**inherited, **self._environment},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server and its session."""
        self.stop_session()
        self.kill()
        self._log.close()
        self._folder.cleanup()

    def kill(self) -> None:
        """End the server at once, and all tasks with it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
