"""Make the docs site with the pictures of the database, and show it in the browser."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from segmentation.pictures.catalog import file_problem
from segmentation.pictures.drawings import KINDS
from segmentation.pictures.rendering import placeholder
from segmentation.run.project import PICTURES, target_folder
from segmentation.warehouse.database import DatabaseError, opened_to_read
from segmentation.warehouse.files import FileError, write_file
from segmentation.warehouse.interrupts import end_on_interrupt

PROJECT = Path(__file__).resolve().parents[1]
DATABASE = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")
DBT = Path(sys.executable).parent / "dbt"
ENVIRONMENT = {**os.environ, "DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT)}
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
NOT_DRAWN = "The build has not drawn this picture; picture_formats must include png."


class DocsError(RuntimeError):
    """dbt could not generate the site; the message says why."""


def drawn_pictures(database: Path) -> dict[str, tuple[str, str]]:
    """Path and hash of the overviews that the last build drew, by kind.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with opened_to_read(database) as connection:
        found = connection.execute(
            "select kind, path, sha256 from segments.segment_plots"
            " where status = 'drawn' and format = 'png' and scope = 'all'"
        ).fetchall()
    return {kind: (path, sha256) for kind, path, sha256 in found}


def generate(site: Path) -> None:
    """Let dbt write the site.

    Raises
    ------
    DocsError
        If it does not succeed.
    """
    where = str(site.absolute())  # dbt starts a relative path at the project
    command = [str(DBT), "--quiet", "docs", "generate", "--target-path", where]
    made = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        shown = _COLORS.sub("", made.stdout + made.stderr)
        lines = [line.strip() for line in shown.splitlines() if line.strip()]
        cause = lines[-1] if "Traceback (most recent call last):" in lines else " ".join(lines)
        raise DocsError(f"dbt docs generate failed: {cause or 'see logs/dbt.log'}")


def copy_pictures(drawn: dict[str, tuple[str, str]], site: Path) -> int:
    """Copy overview pictures into the site and return how many are shown.

    A picture that says why takes the place of one that is missing or is not the one that the build
    drew, so that no page is broken and none shows another database.

    Raises
    ------
    FileError
        If a picture cannot be written.
    """
    n_shown = 0
    for kind in KINDS:
        path = site / PICTURES / f"{kind.name}.png"
        source, sha256 = drawn.get(kind.name, (None, ""))
        if source is None:
            reason = kind.if_empty if drawn and kind.name == "movements" else NOT_DRAWN
        else:
            reason = file_problem(source, sha256)
        if source and not reason:
            write_file(path, Path(source).read_bytes())
            n_shown += 1
            continue
        if source:
            reason = f"{source}: {reason}; `make build` draws it again."
            sys.stderr.write(f"docs: {reason}\n")
        write_file(path, placeholder(kind, reason))
    return n_shown


def main() -> int:
    """Read the arguments, make the site, serve it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--target-path",
        type=Path,
        default=target_folder(PROJECT),
        help="of the site; default: %(default)s",
    )
    parser.add_argument("--serve", action="store_true", help="show it until interrupted")
    parser.add_argument("--port", type=int, default=8080, help="default: %(default)s")
    arguments = parser.parse_args()
    try:
        drawn = drawn_pictures(DATABASE)  # first: dbt would create a database that is missing
        generate(arguments.target_path)
        n_shown = copy_pictures(drawn, arguments.target_path)
    except (DatabaseError, DocsError, FileError) as error:
        sys.stderr.write(f"docs: {error}\n")
        return 2
    sys.stdout.write(f"{arguments.target_path / 'index.html'} ({n_shown} pictures)\n")
    if arguments.serve:
        command = [str(DBT), "docs", "serve", "--port", str(arguments.port)]
        command += ["--target-path", str(arguments.target_path.absolute())]
        return subprocess.run(command, env=ENVIRONMENT, check=False).returncode
    return 0


if __name__ == "__main__":
    end_on_interrupt("docs: interrupted")
    sys.exit(main())
