"""The command `dbt`, which Ctrl-C ends at once and in one line, as do vars that are not YAML.

dbt lets a KeyboardInterrupt rise through its layers: most show it as a traceback, and a few lose
it, so that the build goes on. A build may be killed at any moment (docs/promises.md), so here the
process just ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from segmentation.inputs.given_vars import VarsError, read_vars

MESSAGE = (
    "\nThe build was interrupted: readers have the last complete build. make build starts again.\n"
)


def _end(number: int, _frame: FrameType | None) -> None:
    """Say what happened and die of the signal, so that shells and make know about it."""
    os.write(2, MESSAGE.encode())
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _checked(arguments: Sequence[str]) -> list[str]:
    """The arguments of dbt, without vars where none are given.

    Raises
    ------
    VarsError
        If dbt could not read the vars.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--vars", default="")
    given, others = parser.parse_known_args(arguments)
    return [*others, "--vars", given.vars] if read_vars(given.vars) else others


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _end)
    try:
        arguments = _checked(sys.argv[1:])
    except VarsError as error:
        sys.exit(f"build: {error}")
    # a helper of multiprocessing that outlives this process reports what it cleans up
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    from dbt.cli.main import cli  # (imports take seconds)

    sys.argv = ["dbt", *arguments]
    sys.exit(cli())
