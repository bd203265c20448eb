"""Write the report of a built database as one HTML file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from segmentation.report.contents import read_contents
from segmentation.report.page import report_html
from segmentation.run.project import target_folder
from segmentation.warehouse.database import DatabaseError
from segmentation.warehouse.files import FileError, write_file
from segmentation.warehouse.interrupts import end_on_interrupt

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")


def main() -> int:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, default=DATABASE, help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=Path,
        default=target_folder(PROJECT) / "report.html",
        help="default: %(default)s",
    )
    arguments = parser.parse_args()
    try:
        html = report_html(read_contents(arguments.database)).encode()
        write_file(arguments.output, html)
    except (DatabaseError, FileError) as error:
        sys.stderr.write(f"report: {error}\n")
        return 2
    sys.stdout.write(f"{arguments.output} ({len(html) / 1e6:.1f} MB)\n")
    return 0


if __name__ == "__main__":
    end_on_interrupt("report: interrupted")
    sys.exit(main())
