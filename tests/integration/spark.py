"""Apache Spark with a JVM as Spark Connect server, in processes that a test ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from .connect_server import ConnectServer

#: Two executors in processes of their own, each with one core and 1 GB.
_MASTER: Final = "local-cluster[2,1,1024]"
_STARTED: Final = re.compile(r"Spark Connect server started at: \S*:(\d+)")
_PATIENCE: Final = 120


class Spark(ConnectServer):
    """A server of Apache Spark, stopped at the end of a `with` block.

    Parameters
    ----------
    home
        Folder of the distribution, as `SPARK_HOME` (the package `pyspark` is one).
    environment
        Further environment variables of the server and its workers.
    """

    def __init__(self, home: Path, **environment: str) -> None:
        self._home = home
        self._environment = environment

    def __enter__(self) -> Self:
        """Start the server and wait until it listens."""
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._folder = tempfile.TemporaryDirectory()
        log = Path(self._folder.name, "log.txt")
        settings = {
            "spark.connect.grpc.binding.port": "0",
            "spark.ui.enabled": "false",
            "spark.sql.warehouse.dir": f"{self._folder.name}/warehouse",
        }
        self._process = subprocess.Popen(
            [
                str(self._home / "bin" / "spark-submit"),
                *("--master", _MASTER),
                *("--class", "org.apache.spark.sql.connect.service.SparkConnectServer"),
                *(f"--conf={name}={value}" for name, value in settings.items()),
                "spark-internal",
            ],
            cwd=self._folder.name,
            env={
                **inherited,
                "SPARK_HOME": str(self._home),
                "PYSPARK_PYTHON": sys.executable,
                **self._environment,
            },
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        until = time.monotonic() + _PATIENCE
        while not (found := _STARTED.search(log.read_text())):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Spark did not start: {log.read_text()[-2000:]}")
            time.sleep(0.5)
        self.port = int(found[1])
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server, its executors and its session."""
        self.stop_session()
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()
        self._folder.cleanup()

    def executors(self) -> list[int]:
        """Ids of the processes of the executors."""
        found = subprocess.run(
            ["pgrep", "-g", str(self._process.pid), "-f", "CoarseGrainedExecutorBackend"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]
