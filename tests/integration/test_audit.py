"""The walk-through of `docs/audit.md`: its builds and its queries."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .conftest import SeedsBuild
from .helpers import REPOSITORY, WITHOUT_TESTS, Built, Project

TEXT = (REPOSITORY / "docs" / "audit.md").read_text()
BUILDS = re.findall(r"^dbt build --vars '(.+)'$", TEXT, flags=re.MULTILINE)
QUERIES = re.findall(r"```sql\n(.+?);\n```", TEXT, flags=re.DOTALL)
#: Queries with what the page says comes out.
SHOWN = re.findall(r"```sql\n([^`]+?);\n```\n\n```\n(.+?)\n```", TEXT, flags=re.DOTALL)
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


@pytest.mark.parametrize("number", range(len(SHOWN)))
def test_what_the_walk_through_shows_is_what_comes_out(audited: Project, number: int) -> None:
    query, shown = SHOWN[number]
    found = audited.query(query)
    rows = shown_rows(shown, found.columns)
    if len(rows) < found.height:
        assert shown.endswith("\n...")
    for said, row in zip(rows, found.head(len(rows)).to_dicts(), strict=True):
        for column in set(row) - OF_THE_RUN:
            if said.get("name", "").partition("-")[0] not in {"scikit", "pycaret"}:
                assert_is(said[column], row[column])


def shown_rows(shown: str, columns: list[str]) -> list[dict[str, str]]:
    """Rows of a table in the page: heads on top, or at the left of a single row."""
    lines = shown.removesuffix("\n...").splitlines()
    if lines[0].split() == columns:
        starts = [match.start() for match in re.finditer(r"\S+", lines[0])]
        ends = [*starts[1:], None]
        return [
            {
                column: line[start:end].strip()
                for column, start, end in zip(columns, starts, ends, strict=True)
            }
            for line in lines[1:]
        ]
    row = dict(line.split(maxsplit=1) for line in lines)
    assert list(row) == columns
    return [row]


def assert_is(said: str, value: Any) -> None:
    """A cell says a value: numbers in four digits, a text in full or with dots behind its begin."""
    if isinstance(value, list):
        assert said == f"[{', '.join(value)}]"
    elif value is None or isinstance(value, bool):
        assert said == ("" if value is None else str(value).lower())
    elif isinstance(value, str):
        assert value.startswith(said.removesuffix("...")) if said.endswith("...") else said == value
    else:
        assert float(said) == pytest.approx(float(value), rel=1e-3)


def test_the_readme_explains_the_same_store_in_the_same_words(audited: Project) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for reason in audited.query(QUERIES[0]).select("^.*_reason$").row(0):
        (said,) = [line for line in readme.splitlines() if line.startswith(reason[:26])]
        assert_is(said, reason)


def test_the_walk_through_has_two_further_builds_and_a_dozen_queries() -> None:
    assert len(BUILDS) == 2
    assert len(QUERIES) >= 12
    assert len(SHOWN) >= 9


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
