"""A real PostgreSQL server for tests: a cluster of its own on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg

from .available import unavailable

#: Where Debian's packages put the programs of each version.
_PROGRAMS: Final = Path("/usr/lib/postgresql")
#: PostgreSQL does not run as root; any account without rights will do.
_ACCOUNT: Final = "nobody"
_USER: Final = "store_segments"


def programs() -> Path | None:
    """Folder of `initdb` and `pg_ctl` of the newest version here; None without PostgreSQL."""
    found = sorted(_PROGRAMS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@dataclass(frozen=True)
class Server:
    """A running server; its clients need no password."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which every client of libpq finds the server."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": _USER,
            "PGDATABASE": "postgres",
        }

    def connect(self, user: str = _USER) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of psycopg."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, dbname="postgres", autocommit=True
        )

    def rows(self, sql: LiteralString, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def psql(self, sql: str) -> str:
        """What `psql` prints for a query, without headers."""
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Run a new, empty cluster on loopback and a free port until the block ends."""
    binaries = programs()
    if binaries is None:
        unavailable("no PostgreSQL: install the package postgresql")
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        as_account: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, _ACCOUNT)
            as_account = ["setpriv", f"--reuid={_ACCOUNT}", "--clear-groups", "--"]

        def call(program: str, *arguments: str) -> None:
            command = [*as_account, str(binaries / program), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = f"{folder}/data"
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
        )
        call("initdb", "-D", data, "-U", _USER, "--auth=trust", "--encoding=UTF8", "--no-sync")
        call("pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield Server(port)
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")
