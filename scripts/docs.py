"""Make the docs site with the pictures of the database, and show it in the browser."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from segmentation.pictures.catalog import KINDS, file_problem
from segmentation.pictures.rendering import placeholder
from segmentation.run.project import PICTURES

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")
DBT = Path(sys.executable).parent / "dbt"
NO_MOVES = "No store has moved since the run before, or there is none."
NOT_DRAWN = "The build has not drawn this picture; picture_formats must include png."


def copy_pictures(database: Path, site: Path) -> int:
    """Put the overview pictures of the last build into the site, return how many there are.

    A picture that says why takes the place of one that is missing or is not the one that the build
    drew, so that no page is broken and none shows another database.
    """
    folder = site / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    n_shown = 0
    drawn = _drawn_pictures(database)
    for kind in KINDS:
        path = folder / f"{kind.name}.png"
        source, sha256 = drawn.get(kind.name, (None, ""))
        if source is None:
            reason = NO_MOVES if drawn and kind.name == "movements" else NOT_DRAWN
        else:
            reason = file_problem(source, sha256)
        if source and not reason:
            shutil.copyfile(source, path)
            n_shown += 1
            continue
        if source:
            reason = f"{source}: {reason}; `make build` draws it again."
            sys.stderr.write(f"docs: {reason}\n")
        path.write_bytes(placeholder(kind, reason))
    return n_shown


def _drawn_pictures(database: Path) -> dict[str, tuple[str, str]]:
    """Path and hash of the overviews that the last build drew, by kind."""
    if not database.is_file():
        return {}
    with duckdb.connect(str(database), read_only=True) as connection:
        try:
            found = connection.execute(
                "select kind, path, sha256 from segments.segment_plots"
                " where status = 'drawn' and format = 'png' and scope = 'all'"
            ).fetchall()
        except duckdb.CatalogException:
            return {}
    return {kind: (path, sha256) for kind, path, sha256 in found}


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
