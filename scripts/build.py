"""The command `dbt`, which Ctrl-C ends at once and in one line.

dbt lets a KeyboardInterrupt rise through its layers: most show it as a traceback, and a few lose
it, so that the build goes on. A build may be killed at any moment (docs/promises.md), so here the
process just ends.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

MESSAGE = (
    "\nThe build was interrupted: readers have the last complete build. make build starts again.\n"
)


def _end(number: int, _frame: FrameType | None) -> None:
    """Say what happened and die of the signal, so that shells and make know about it."""
    os.write(2, MESSAGE.encode())
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _end)
    # a helper of multiprocessing that outlives this process reports what it cleans up
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    from dbt.cli.main import cli  # (imports take seconds)

    sys.argv[0] = "dbt"
    sys.exit(cli())
