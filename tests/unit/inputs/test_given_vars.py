from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.inputs.given_vars import VarsError, read_vars

REPOSITORY = Path(__file__).parents[3]
#: A password that no message may have.
CANARY = "Zq7Kx"


@pytest.mark.parametrize("text", ["", " ", "{}", "# nothing yet", "null"])
def test_no_vars_are_an_empty_mapping(text: str) -> None:
    assert read_vars(text) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a: 1\nb: 'password={CANARY}\n", "line 3, column 1: found unexpected end of stream"),
        (f"a: {CANARY}: c", "line 1, column 9: mapping values are not allowed here"),
        (f"{{password: {CANARY}, x", "line 1, column 20: expected ',' or '}'"),
        (f"a: *{CANARY}", "line 1, column 4: found undefined alias ***"),
        (f"a: !{CANARY} b", "line 1, column 4: could not determine a constructor"),
        (f"a: !!int {CANARY}", "invalid literal for int() with base 10: ***"),
        ("a: 2025-13-45", "month must be in 1..12"),
        (f"a: {CANARY}\a", "special characters are not allowed"),
        ("[" * 5000, "maximum recursion depth exceeded"),
        (f"[{CANARY}]", "they are a mapping, such as inputs: {sales: sales.csv}"),
        (CANARY, "they are a mapping"),
        (f"1: {CANARY}", "they are a mapping"),
    ],
)
def test_vars_that_are_not_a_mapping_are_refused_in_one_line_without_values(
    text: str, message: str
) -> None:
    with pytest.raises(VarsError) as raised:
        read_vars(text)
    (line,) = str(raised.value).splitlines()
    assert message in line
    assert CANARY not in line


@pytest.mark.parametrize(
    "command",
    [
        ("build.py", "--quiet", "build", "--vars"),
        ("verify.py", "--vars"),
        ("check_data.py", "--vars"),
    ],
)
def test_every_command_refuses_vars_in_one_line(command: tuple[str, ...]) -> None:
    script, *arguments = command
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", *arguments, f"inputs: {CANARY}: ["],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    (line,) = (done.stdout + done.stderr).splitlines()
    assert "the vars are not valid YAML: line 1, column 14: " in line
    assert CANARY not in line
