"""List the locked packages that have a known vulnerability, or say that nothing was checked."""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path
from typing import Final

from segmentation.warehouse.advisories import findings, locked_versions
from segmentation.warehouse.interrupts import end_on_interrupt

REPOSITORY: Final = Path(__file__).parents[1]
NOT_CHECKED: Final = """\
Nothing was checked: there is no vulnerability data here, and this command asks no server.
Bring the archive of the OSV database for PyPI (all.zip) and name it:
  make audit OSV_DATA=path/to/all.zip
All packages are locked by hash: what is installed is what the lock files name."""


def main() -> int:
    """Print what was found; 1 if anything was, 2 if nothing could be checked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="", help="folder or ZIP")
    given = parser.parse_args().data
    if not given:
        sys.stdout.write(f"{NOT_CHECKED}\n")
        return 2
    data = Path(given)
    if not data.is_dir() and not (data.is_file() and zipfile.is_zipfile(data)):
        sys.stdout.write(f"OSV_DATA: {given!r} is no folder and no ZIP archive of OSV records\n")
        return 2
    versions = locked_versions(REPOSITORY)
    found = findings(data, versions)
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{len(found)} known vulnerabilities in {len(versions)} locked packages\n")
    return 1 if found else 0


if __name__ == "__main__":
    end_on_interrupt("audit: interrupted")
    sys.exit(main())
