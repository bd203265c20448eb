"""The page `docs/worked-example.md`: what its commands print, on the workbooks it comes with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.report.contents import read_contents
from segmentation.report.page import report_html

from .conftest import CHAIN_VARS
from .helpers import REPOSITORY, Project
from .test_queries import ANSWERED, OF_THESE_LIBRARIES, command_line

PAGE = REPOSITORY / "docs" / "worked-example.md"
VARS = REPOSITORY / CHAIN_VARS


@pytest.fixture
def chain(chain_build: tuple[Project, str]) -> tuple[Project, str]:
    """The chain's build, and what it printed."""
    return chain_build


def checked() -> str:
    """What the check of the chain's files prints, up to the vars."""
    shown = subprocess.run(
        [sys.executable, "scripts/check_data.py", "--vars", str(VARS.relative_to(REPOSITORY))],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return shown.partition("\n\nVars for a build")[0].rstrip()


def summary(shown: str) -> str:
    """The part of a build's summary that is the same everywhere."""
    return shown[shown.index("Inputs\n") : shown.index("  Database:")].rstrip()


@OF_THESE_LIBRARIES
def test_the_page_shows_what_its_commands_print(chain: tuple[Project, str], tmp_path: Path) -> None:
    project, shown = chain
    text = PAGE.read_text(encoding="utf-8")

    def filled(before: str, language: str, content: str, page: str) -> str:
        pattern = re.escape(before) + r"(\n+(?:[^`\n].*\n+)*)```" + language + r"\n(?:.*?\n)??```"
        found = re.compile(pattern, re.DOTALL)
        assert found.search(page), before
        return found.sub(
            lambda match: f"{before}{match[1]}```{language}\n{content.rstrip()}\n```", page, count=1
        )

    right = filled("only place the shops on the map.", "yaml", VARS.read_text("utf-8"), text)
    right = filled("make check-data VARS=demo/chain/vars.yml\n```", "", checked(), right)
    right = filled("The build prints what it found:", "", summary(shown), right)
    right = ANSWERED.sub(
        lambda match: (
            f"```sql\n{match['sql']}\n```\n\n```\n"
            f"{command_line(project.published, '-column', match['sql'])}\n```"
        ),
        right,
    )
    (tmp_path / PAGE.name).write_text(right, encoding="utf-8")
    assert right == text, f"as it should be: {tmp_path / PAGE.name}"


def test_three_kinds_of_shops_are_found(chain: tuple[Project, str]) -> None:
    project, _ = chain
    found = project.query(
        "select scope, k from governance.model_registry where is_in_force order by scope"
    )
    assert dict(found.iter_rows()) == {"Coffee": 3, "Snacks": 3, "external": 2}


def test_every_amount_of_the_report_has_the_currency_and_the_sales_their_period(
    chain: tuple[Project, str],
) -> None:
    project, _ = chain
    html = report_html(read_contents(project.database))
    tables = project.query("select sales_amount, sales_per_store from segments.segment_summary")
    total = tables["sales_amount"].sum()
    for amount in (total, *tables["sales_amount"], *tables["sales_per_store"]):
        assert f"€{amount:,.0f}<" in html
        assert f">{amount:,.0f}<" not in html
    assert 'data-money="€{}"' in html
    assert "2,420 rows, all used; from 2025-07-31 to 2025-10-31" in html


def test_the_workbooks_are_those_that_their_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.generate_chain", "--check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
