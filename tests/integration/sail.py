"""A Spark Connect server without Java, in a process that a test may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, Self

from segmentation.engine.session import _SESSIONS

#: Prints its port once it listens. It runs outside the project: workers need not have its code.
_SERVER: Final = """
import sys, threading
from pysail.spark import SparkConnectServer
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
print(server.listening_address[1], flush=True)
threading.Event().wait()
"""


class Sail:
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
        """Stop the server, and its session: pyspark goes on asking the server of an active one."""
        session = _SESSIONS.pop(self.remote, None)
        if session is not None and self._process.poll() is None:
            session.stop()
        self.kill()
        self._log.close()
        self._folder.cleanup()

    @property
    def remote(self) -> str:
        """Address of the server."""
        return f"sc://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Id of the process of the server."""
        return self._process.pid

    def engine(self, shared: Path, **more: Any) -> dict[str, Any]:
        """The var `engine`."""
        return {"remote": self.remote, "shared": str(shared), **more}

    def kill(self) -> None:
        """End the server at once, and all tasks with it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
