"""Where scripts write what can be made again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.run.project import target_folder

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, "target"), ("", "target"), ("out/dbt", "out/dbt"), ("/elsewhere", "/elsewhere")],
)
def test_it_is_the_folder_that_dbt_writes_to(
    given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBT_TARGET_PATH", raising=False)
    if given is not None:
        monkeypatch.setenv("DBT_TARGET_PATH", given)
    assert target_folder(Path("/shop")) == Path("/shop") / expected


@pytest.mark.parametrize(
    ("script", "file"),
    [("report.py", "report.html"), ("docs.py", ""), ("matched_stores.py", "matched_stores")],
)
def test_scripts_write_there(script: str, file: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", "--help"],
        cwd=REPOSITORY,
        env={**os.environ, "DBT_TARGET_PATH": str(tmp_path), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"default: {tmp_path / file}\n" in done.stdout
