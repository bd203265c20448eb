"""Write the report of a built database as one HTML file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from segmentation.report.contents import ReportError, read_contents
from segmentation.report.page import report_html

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")


def main() -> int:
    """Read the arguments, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, default=DATABASE, help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=Path,
        default=PROJECT / "target" / "report.html",
        help="default: %(default)s",
    )
    arguments = parser.parse_args()
    try:
        contents = read_contents(arguments.database)
    except ReportError as error:
        sys.stderr.write(f"report: {error}\n")
        return 2
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    html = report_html(contents)
    arguments.output.write_text(html, encoding="utf-8")
    sys.stdout.write(f"{arguments.output} ({len(html.encode()) / 1e6:.1f} MB)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
