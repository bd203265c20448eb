from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from segmentation.warehouse.advisories import findings, is_affected, locked_versions

REPOSITORY = Path(__file__).parents[3]
SCRIPT = str(REPOSITORY / "scripts" / "audit.py")


def ranges(*events: dict[str, str]) -> dict[str, Any]:
    """`affected` with one range."""
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


@pytest.mark.parametrize(
    ("version", "affected", "expected"),
    [
        ("1.5", ranges({"introduced": "0"}, {"fixed": "2.0"}), True),
        ("2.0", ranges({"introduced": "0"}, {"fixed": "2.0"}), False),
        ("1.10", ranges({"introduced": "1.9"}, {"fixed": "1.11"}), True),
        ("3.0", ranges({"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}), True),
        ("2.5", ranges({"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}), False),
        ("2.0", ranges({"introduced": "1"}, {"last_affected": "2.0"}), True),
        ("2.1", ranges({"introduced": "1"}, {"last_affected": "2.0"}), False),
        ("0.9", ranges({"introduced": "1"}), False),
        ("7.1", {"versions": ["7.0", "7.1"]}, True),
        ("7.2", {"versions": ["7.0", "7.1"]}, False),
        ("1.0", {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
    ],
)
def test_a_version_is_affected_where_the_record_says_so(
    version: str, affected: dict[str, Any], expected: bool
) -> None:
    assert is_affected(version, affected) is expected


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Give advisories: one of a locked package, and some that concern nothing here."""
    (version,) = locked_versions(REPOSITORY)["duckdb"]
    package = {"name": "DuckDB", "ecosystem": "PyPI"}
    affected = {"package": package, "versions": [version]}
    given = [
        {"id": "X-1", "summary": "It leaks", "affected": [affected]},
        {"id": "X-2", "withdrawn": "2025-01-01T00:00:00Z", "affected": [affected]},
        {"id": "X-3", "affected": [{**affected, "package": {**package, "ecosystem": "npm"}}]},
        {"id": "X-4", "affected": [{"package": package, "versions": ["0.0.1"]}]},
    ]
    folder = tmp_path / "records"
    folder.mkdir()
    for record in given:
        (folder / f"{record['id']}.json").write_text(json.dumps(record))
    return folder


def test_only_what_concerns_a_locked_version_is_listed(records: Path, tmp_path: Path) -> None:
    (version,) = locked_versions(REPOSITORY)["duckdb"]
    expected = [f"duckdb {version}: X-1 It leaks"]
    assert findings(records, locked_versions(REPOSITORY)) == expected
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in records.iterdir():
            archive.write(path, path.name)
    assert findings(tmp_path / "all.zip", locked_versions(REPOSITORY)) == expected


def test_every_lock_is_read_and_every_package_in_it_has_a_hash() -> None:
    names = set(locked_versions(REPOSITORY))
    assert {"dbt-core", "pycaret-core", "numpy", "pytest"} <= names
    for path in REPOSITORY.glob("requirements*.txt"):
        packages = path.read_text().replace("\\\n", " ").splitlines()
        unhashed = [line for line in packages if "==" in line and "--hash=sha256:" not in line]
        assert unhashed == []


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        ("", 2, "Nothing was checked"),
        ("absent.zip", 2, "no folder and no ZIP"),
        ("records", 1, "X-1"),
    ],
)
def test_the_command_says_what_was_found_or_that_nothing_was_checked(
    data: str, code: int, said: str, records: Path
) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--data", data],
        cwd=records.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stdout
