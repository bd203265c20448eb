"""Make the docs site with the pictures of the database, and show it in the browser."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from segmentation.pictures.catalog import KINDS
from segmentation.pictures.rendering import placeholder

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")
DBT = Path(sys.executable).parent / "dbt"
NO_MOVES = "No store has moved since the run before, or there is none."
NOT_DRAWN = (
    "The picture is not there: `make build` draws it, unless picture_formats is without png."
)
#: Where the pages of the docs look for pictures, in the site.
PICTURES = Path("assets") / "pictures"


def copy_pictures(database: Path, site: Path) -> int:
    """Put the overview pictures of the last build into the site, return how many there are.

    Where one is not there a picture that says so takes its place, so that no page is broken.
    """
    folder = site / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    drawn = _drawn_pictures(database)
    for kind in KINDS:
        path = folder / f"{kind.name}.png"
        if kind.name in drawn:
            shutil.copyfile(drawn[kind.name], path)
        else:
            reason = NO_MOVES if drawn and kind.name == "movements" else NOT_DRAWN
            path.write_bytes(placeholder(kind, reason))
    return len(drawn)


def _drawn_pictures(database: Path) -> dict[str, Path]:
    """Files of the overviews that are there, by kind."""
    if not database.is_file():
        return {}
    with duckdb.connect(str(database), read_only=True) as connection:
        try:
            found = connection.execute(
                "select kind, path from segments.segment_plots"
                " where status = 'drawn' and format = 'png' and scope = 'all'"
            ).fetchall()
        except duckdb.CatalogException:
            return {}
    return {kind: Path(path) for kind, path in found if Path(path).is_file()}


def main() -> int:
    """Read the arguments, make the site, serve it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target-path", type=Path, default=PROJECT / "target", help="of the site")
    parser.add_argument("--serve", action="store_true", help="show it until interrupted")
    parser.add_argument("--port", type=int, default=8080, help="default: %(default)s")
    arguments = parser.parse_args()
    folders = {"DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT)}
    environment = {**os.environ, **folders}
    target = ["--target-path", str(arguments.target_path)]
    made = subprocess.run([str(DBT), "docs", "generate", *target], env=environment, check=False)
    if made.returncode != 0:
        return made.returncode
    if not copy_pictures(DATABASE, arguments.target_path):
        sys.stderr.write("docs: no pictures yet, `make build` draws them\n")
    if arguments.serve:
        command = [str(DBT), "docs", "serve", "--port", str(arguments.port), *target]
        return subprocess.run(command, env=environment, check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
