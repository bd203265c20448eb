"""What the servers of Spark Connect that tests start have in common."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from segmentation.engine.session import _SESSIONS


class ConnectServer:
    """A server on this machine, in a process of its own."""

    port: int
    _process: subprocess.Popen[str]

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

    def stop_session(self) -> None:
        """End the session, as pyspark goes on asking the server of an active one."""
        session = _SESSIONS.pop(self.remote, None)
        if session is not None and self._process.poll() is None:
            session.stop()
