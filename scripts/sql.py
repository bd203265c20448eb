"""Open a SQL prompt on the published build, with the business queries as macros."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import duckdb

from segmentation.publishing.publish import published_path
from segmentation.publishing.published import SOURCE, PublishedFileError, published_file
from segmentation.warehouse.extensions import MissingPackageError

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = os.environ.get("STORE_SEGMENTS_DB") or str(PROJECT / "store_segments.duckdb")
PUBLISHED = published_path(DATABASE, os.environ.get("STORE_SEGMENTS_PUBLISHED", ""))
DUCKDB = Path(sys.executable).with_name("duckdb")
#: Ready queries that the prompt proposes, besides the segments themselves.
PROPOSED = ("segment_of", "traits_of")


def greeting(connection: duckdb.DuckDBPyConnection) -> str:
    """Three queries that work on this build, and where the others are.

    Parameters
    ----------
    connection
        Connection that has the published file attached (`published_file`).
    """
    examples = [
        example
        for name in PROPOSED
        for (example,) in connection.execute(
            f"select example from {SOURCE}.queries where query like ? and example <> ''",
            [f"{name}(%"],
        ).fetchall()
    ]
    queries = "\n".join(f"  {query}" for query in ("from segment_summary;", *examples))
    return (
        f"Try one of these:\n{queries}\n"
        "All ready queries: from queries;   All tables: from tables;   Leave: .exit\n"
    )


def main() -> int:
    """Read the arguments, hand over to the command line of DuckDB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, default=PUBLISHED, help="default: %(default)s")
    arguments = parser.parse_args()
    try:
        with published_file(arguments.published) as connection:
            proposal = greeting(connection)
        if not DUCKDB.is_file():
            raise MissingPackageError.of("the command line of DuckDB (duckdb-cli)")
    except (MissingPackageError, PublishedFileError) as error:
        sys.stderr.write(f"sql: {error}\n")
        return 2
    sys.stdout.write(proposal)
    sys.stdout.flush()
    # nothing is fetched from elsewhere
    settings = ["-cmd", "set autoinstall_known_extensions = false"]
    command = [str(DUCKDB), "-readonly", *settings, str(arguments.published)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
