"""The command `dbt`, which Ctrl-C ends at once and in one line, as do vars that are not YAML."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from segmentation.inputs.given_vars import VarsError, read_vars
from segmentation.warehouse.interrupts import end_on_interrupt

MESSAGE = (
    "The build was interrupted: readers have the last complete build. make build starts again."
)


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
    end_on_interrupt(MESSAGE)
    try:
        arguments = _checked(sys.argv[1:])
    except VarsError as error:
        sys.exit(f"build: {error}")
    # a helper of multiprocessing that outlives this process reports what it cleans up
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    from dbt.cli.main import cli  # (imports take seconds)

    sys.argv = ["dbt", *arguments]
    sys.exit(cli())
