"""What the container does, as far as a text can show it: no daemon is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[3]


def instructions() -> list[tuple[str, str]]:
    """Name and argument of each instruction of the Dockerfile."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, argument) for name, _, argument in (line.partition(" ") for line in lines)]


def test_everything_is_installed_and_run_by_a_user_without_special_rights() -> None:
    found = instructions()
    names = [name for name, _ in found]
    assert dict(found)["USER"] not in ("root", "0")
    assert names.index("USER") < names.index("COPY")
    assert dict(found)["COPY"].startswith(f"--chown={dict(found)['USER']} ")
    assert names.count("USER") == 1


def test_it_runs_the_command_of_the_readme() -> None:
    command = " ".join(json.loads(dict(instructions())["CMD"]))
    assert f"\n{command}" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
