"""The walk-through of `docs/audit.md`: its builds and its queries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from .conftest import SeedsBuild
from .helpers import REPOSITORY, WITHOUT_TESTS, Built, Project

TEXT = (REPOSITORY / "docs" / "audit.md").read_text()
BUILDS = re.findall(r"^dbt build --vars '(.+)'$", TEXT, flags=re.MULTILINE)
QUERIES = re.findall(r"```sql\n(.+?);\n```", TEXT, flags=re.DOTALL)
#: Queries with what the page says comes out.
SHOWN = re.compile(r"```sql\n([^`]+?);\n```\n\n```\n(.+?)\n```", flags=re.DOTALL)
#: Differ from run to run, or from one version of code and libraries to the next.
OF_THE_RUN = {"model_id", "data", "fitted_by", "run", "revision", "is_clean", "run_started_at"}
FIRST_SNACKS_MODEL = (
    "select model_id from governance.model_registry where scope = 'Snacks' and k = 5"
)


@pytest.fixture(scope="module")
def audited(seeds_build: SeedsBuild, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example data after the three builds; the pin names the model of these libraries."""
    first = Built(seeds_build.project, {}, seeds_build.run)
    limited_vars, pinned_vars = (yaml.safe_load(given) for given in BUILDS)
    limited = continued(first, tmp_path_factory, limited_vars)
    (model_id,) = pinned_vars["segmentation"]["pinned_models"].values()
    assert re.fullmatch("[0-9a-f]{16}", model_id)
    actual = seeds_build.project.value(FIRST_SNACKS_MODEL)
    pinned_vars["segmentation"]["pinned_models"] = {"Snacks": actual}
    return continued(limited, tmp_path_factory, pinned_vars).project


def continued(built: Built, folders: pytest.TempPathFactory, variables: dict[str, Any]) -> Built:
    """Build again with other vars, in a copy of the same name: views refer to the file by it."""
    return built.continued(folders.mktemp("audit") / "build", WITHOUT_TESTS, **variables)


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_every_query_of_the_walk_through_has_an_answer(audited: Project, number: int) -> None:
    assert not audited.query(QUERIES[number]).is_empty()


def test_what_the_walk_through_shows_is_what_comes_out(audited: Project, tmp_path: Path) -> None:
    def answered(match: re.Match[str]) -> str:
        answer = right_answer(match[2], audited.query(match[1]))
        return match[0].replace(match[2], answer)

    page = tmp_path / "audit.md"
    page.write_text(SHOWN.sub(answered, TEXT))
    assert page.read_text() == TEXT, f"as it should be: {page}"


def right_answer(shown: str, found: pl.DataFrame) -> str:
    """The answer as the page shows it: what holds stays, the rest is corrected."""
    rows = shown_rows(shown, found.columns)
    right = [
        {column: cell(column, said, row) for column in found.columns}
        for said, row in zip(rows, found.head(len(rows)).to_dicts(), strict=True)
    ]
    if is_vertical(shown, found.columns):
        width = max(map(len, found.columns))
        return "\n".join(f"{column:<{width}}  {text}" for column, text in right[0].items())
    widths = {
        column: max(len(column), *(len(row[column]) for row in right)) for column in found.columns
    }
    lines = [
        "  ".join(f"{row[column]:<{width}}" for column, width in widths.items()).rstrip()
        for row in [dict(zip(found.columns, found.columns, strict=True)), *right]
    ]
    return "\n".join([*lines, *(["..."] if len(rows) < found.height else [])])


def cell(column: str, said: dict[str, str], row: dict[str, Any]) -> str:
    """What the page has to say: its own text as long as that holds."""
    of_a_version = said.get("name", "").partition("-")[0] in {"scikit", "pycaret"}
    if column in OF_THE_RUN or of_a_version or holds(said[column], row[column]):
        return said[column]
    value = row[column]
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return f"{text[:100]}..." if len(text) > 105 else text


def is_vertical(shown: str, columns: list[str]) -> bool:
    """Whether the heads are at the left of a single row."""
    return shown.splitlines()[0].split() != columns


def shown_rows(shown: str, columns: list[str]) -> list[dict[str, str]]:
    """Rows of a table in the page."""
    lines = shown.removesuffix("\n...").splitlines()
    if is_vertical(shown, columns):
        row = dict(line.split(maxsplit=1) for line in lines)
        assert list(row) == columns
        return [row]
    starts = [match.start() for match in re.finditer(r"\S+", lines[0])]
    ends = [*starts[1:], None]
    return [
        {
            column: line[start:end].strip()
            for column, start, end in zip(columns, starts, ends, strict=True)
        }
        for line in lines[1:]
    ]


def holds(said: str, value: Any) -> bool:
    """Whether a cell says a value: four digits, or the beginning of a text and dots."""
    if isinstance(value, list):
        return said == f"[{', '.join(value)}]"
    if value is None or isinstance(value, bool):
        return said == ("" if value is None else str(value).lower())
    if isinstance(value, str):
        return value.startswith(said.removesuffix("...")) if said.endswith("...") else said == value
    try:
        return float(said) == pytest.approx(float(value), rel=1e-3)
    except ValueError:
        return False


def test_the_readme_explains_the_same_store_in_the_same_words(audited: Project) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for reason in audited.query(QUERIES[0]).select("^.*_reason$").row(0):
        (said,) = [line for line in readme.splitlines() if line.startswith(reason[:26])]
        assert holds(said, reason)


def test_the_walk_through_has_two_further_builds_and_a_dozen_queries() -> None:
    assert len(BUILDS) == 2
    assert len(QUERIES) >= 12
    assert len(SHOWN.findall(TEXT)) >= 9


def test_the_pin_brings_back_the_segments_of_the_first_build(
    seeds_build: SeedsBuild, audited: Project
) -> None:
    retention = audited.query(
        "select retention from segments.segment_changes where category = 'Snacks'"
        " order by run_started_at"
    )["retention"]
    assert retention[1] < 0.9
    for table in ("segments.store_segments", "segments.segment_profiles"):
        assert audited.table(table).equals(seeds_build.project.table(table)), table


def test_the_last_transitions_of_the_walk_through_stay_where_they_were(audited: Project) -> None:
    (query,) = [query for query in QUERIES if "segment_transitions" in query]
    transitions = audited.query(query)
    assert transitions["from_segment_id"].to_list() == transitions["to_segment_id"].to_list()
