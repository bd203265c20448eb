"""The walk-through of `docs/audit.md`: its builds and its queries, as they stand there."""

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


def test_the_walk_through_has_two_further_builds_and_a_dozen_queries() -> None:
    assert len(BUILDS) == 2
    assert len(QUERIES) >= 12


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
