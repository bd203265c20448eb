"""Open a SQL prompt on the published build, with the business queries as macros."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from segmentation.publishing.publish import published_path
from segmentation.publishing.published import PublishedFileError, published_file
from segmentation.warehouse.extensions import MissingPackageError

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = os.environ.get("STORE_SEGMENTS_DB") or str(PROJECT / "store_segments.duckdb")
PUBLISHED = published_path(DATABASE, os.environ.get("STORE_SEGMENTS_PUBLISHED", ""))
DUCKDB = Path(sys.executable).with_name("duckdb")
#: Nothing is fetched from elsewhere, and what can be asked is the first thing seen.
GREETING = (
    "set autoinstall_known_extensions = false",
    "select example as 'ready queries', description as 'one row per ...' from queries",
)


def main() -> int:
    """Read the arguments, hand over to the command line of DuckDB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, default=PUBLISHED, help="default: %(default)s")
    arguments = parser.parse_args()
    try:
        with published_file(arguments.published):
            pass
        if not DUCKDB.is_file():
            raise MissingPackageError.of("the command line of DuckDB (duckdb-cli)")
    except (MissingPackageError, PublishedFileError) as error:
        sys.stderr.write(f"sql: {error}\n")
        return 2
    commands = [part for line in GREETING for part in ("-cmd", line)]
    command = [str(DUCKDB), "-readonly", *commands, str(arguments.published)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
