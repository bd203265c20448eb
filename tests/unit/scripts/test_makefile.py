"""How `make` passes vars to the commands, with commands that only show their arguments."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

MAKEFILE: Final = Path(__file__).parents[3] / "Makefile"
SHOWS: Final = '#!/bin/sh\nfor argument in "$@"; do printf "<%s>" "$argument"; done\n'


def make(folder: Path, *arguments: str, command: str = SHOWS) -> subprocess.CompletedProcess[str]:
    """Call make in a folder where everything is installed, `command` in place of dbt."""
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    for name in ("dbt", "dbt-ol", "pip", "python", "uv"):
        (commands / name).write_text(command)
        (commands / name).chmod(0o755)
    installed = [f"--old-file=.venv/.installed{extra}" for extra in ("", "-extras")]
    return subprocess.run(
        ["make", "-f", str(MAKEFILE), *installed, f"BIN={commands}", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_build_is_quiet_unless_asked_otherwise(tmp_path: Path) -> None:
    assert make(tmp_path, "build").stdout == "<scripts/build.py><--quiet><build><--vars><{}>"
    assert make(tmp_path, "build", "VERBOSE=1").stdout == "<scripts/build.py><build><--vars><{}>"


@pytest.mark.parametrize("target", ["build", "verify", "lineage"])
def test_vars_come_from_a_file_or_from_the_command_line(tmp_path: Path, target: str) -> None:
    text = 'inputs:\n  sales: "it\'s $HOME.csv"\nsegmentation: {seed: 1}'
    (tmp_path / "my vars.yml").write_text(text)
    assert f"<--vars><{text}>" in make(tmp_path, target, "VARS=my vars.yml").stdout
    assert "<--vars><{a: 'b c'}>" in make(tmp_path, target, "VARS={a: 'b c'}").stdout


@pytest.mark.parametrize("target", ["build", "verify", "lineage"])
def test_a_vars_file_that_does_not_exist_stops_the_command(tmp_path: Path, target: str) -> None:
    done = make(tmp_path, target, "VARS=typo.yml")
    assert done.returncode != 0
    assert "there is no file typo.yml" in done.stdout
    assert "<--vars>" not in done.stdout


def test_a_failed_build_names_the_log(tmp_path: Path) -> None:
    done = make(tmp_path, "build", command="#!/bin/sh\nexit 1\n")
    assert done.returncode != 0
    assert "logs/dbt.log" in done.stdout


@pytest.mark.parametrize("target", ["build", "doctor", "lineage", ".venv/.installed-engine"])
def test_the_folder_may_have_blanks_in_its_path(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "my stores" / "Größe"
    (folder / ".venv").mkdir(parents=True)
    (folder / "requirements-engine.txt").touch()
    done = make(folder, target, command="#!/bin/sh\nexit 0\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "uv cannot install" not in done.stdout
