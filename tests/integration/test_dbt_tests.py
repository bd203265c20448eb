"""Unit tests pass, and every accounting test fails on a database that is broken in its way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from segmentation.fitting.registry import CONTENT_HASH_SQL

from .conftest import SeedsBuild
from .helpers import Project, small_inputs

FIRST_STORE = "(select min(store_id) from segments.store_segments)"
#: Rows that are not as written are refused before any test runs; these look written like that.
HASHED_AGAIN = f"update lanes.internal_cluster_models set content_sha256 = {CONTENT_HASH_SQL}"

DAMAGES = {
    "sales_are_accounted_for": """
        update features.int_sales_by_need_state set sales_amount = sales_amount + 0.01
        where rowid = (select min(rowid) from features.int_sales_by_need_state)
    """,
    "sales_by_period_add_up": """
        update features.int_sales_by_period set sales_amount = sales_amount + 0.02
        where rowid = (select min(rowid) from features.int_sales_by_period)
    """,
    "room_adds_up": "update segments.segment_room set room = 1",
    "input_rows_are_accounted_for": """
        delete from governance.rejected_rows
        where rowid = (select min(rowid) from governance.rejected_rows where input = 'products')
    """,
    "ids_match": "update features.int_input_verdicts set id_hint = 'set ignore_in_ids'",
    "need_state_shares_sum_to_one": """
        update features.feat_internal set shares = list_transform(shares, lambda s: 2 * s)
        where rowid = (select min(rowid) from features.feat_internal)
    """,
    "every_store_has_a_segment_where_it_sells": f"""
        delete from lanes.int_store_segments where store_id = {FIRST_STORE}
    """,
    "no_segment_is_smaller_than_the_minimum": """
        update lanes.training_segments set n_stores = 1
        where rowid = (select min(rowid) from lanes.training_segments)
    """,
    "every_store_of_a_lane_is_scored_once": f"""
        delete from lanes.internal_clusters where store_id = {FIRST_STORE}
    """,
    "clusters_stand_in_their_model": f"""
        update lanes.external_clusters set cluster = 99 where store_id = {FIRST_STORE}
    """,
    "component_scores_follow_from_the_scaled_features": """
        update lanes.internal_components set z = list_transform(z, lambda s: s + 0.001)
    """,
    "search_tries_every_number_of_clusters": f"""
        update lanes.internal_cluster_models
        set search = list_filter(search, lambda candidate: candidate.k <> 3);
        {HASHED_AGAIN}
    """,
    "every_scope_was_fitted": f"""
        insert into lanes.internal_cluster_models by name
        select * replace ('failed' as status, in_force_order + 1 as in_force_order)
        from lanes.internal_cluster_models;
        {HASHED_AGAIN}
    """,
    "kept_features_are_known_today": """
        update governance.feature_usage set usage = 'vanished'
        where rowid = (select min(rowid) from governance.feature_usage)
    """,
    "ignored_features_exist": """
        update governance.model_registry
        set settings = list_transform(
            settings,
            lambda one: {
                'name': one.name,
                'value': if(one.name = 'ignore_features', '["Snakcs*"]', one.value)
            }
        )
    """,
    "budget_is_met": """
        insert into segments.segment_budget
        values ('Snacks', '1-1', '1-1', 1, 1, 0, 0, 'the budget of 1 is exceeded')
    """,
    "more_clusters_may_fit_better": f"""
        update lanes.internal_cluster_models set k = 10;
        {HASHED_AGAIN}
    """,
    "nothing_has_drifted": """
        update governance.drift set has_drifted = true
        where rowid = (select min(rowid) from governance.drift)
    """,
    "every_picture_was_drawn": """
        update segments.segment_plots set status = 'failed', path = null, sha256 = null
        where rowid = (select min(rowid) from segments.segment_plots)
    """,
    "given_names_have_a_segment": """
        insert into raw.segment_name_overrides (category, segment_id, segment_name)
        values ('Snack', '1-1', 'The misspelt')
    """,
    "pulls_add_up": f"""
        update lanes.internal_clusters set distance = distance + 0.001
        where store_id = {FIRST_STORE}
    """,
}


#: Tests of the run itself and not of the database.
OF_THE_RUN = {"every_input_was_read", "labels_have_a_column"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder for a copy of the build of the seeds, where dbt need not parse everything again."""
    return Project(tmp_path_factory.mktemp("copied"))  # same name of the file, as views have it


@pytest.fixture
def broken(copied: Project, seeds_build: SeedsBuild) -> Project:
    """The finished build of the seeds, to be broken."""
    shutil.copy(seeds_build.project.database, copied.database)
    return copied


def test_every_unit_test_passes_and_none_is_run_by_a_build(
    seeds_build: SeedsBuild, broken: Project
) -> None:
    manifest = json.loads((seeds_build.project.folder / "target" / "manifest.json").read_text())
    names = {test["name"] for test in manifest["unit_tests"].values()}
    assert names
    assert names.isdisjoint(seeds_build.run.statuses)
    run = broken.dbt("test", "--select", "test_type:unit")
    assert run.success, run.shown
    assert run.statuses == dict.fromkeys(names, "pass")


def test_own_data_comes_without_the_example_and_its_tests(tmp_path: Path) -> None:
    project, inputs = Project(tmp_path), {"sales": "sales.parquet"}
    own = project.dbt("parse", variables={"inputs": inputs, "external_sources": []})
    assert own.success, own.shown
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    seeds = {name.split(".")[-1] for name in manifest["nodes"] if name.startswith("seed.")}
    assert seeds == {"segment_name_overrides"}
    nodes = [*manifest["unit_tests"].values(), *manifest["nodes"].values()]
    read = {name for node in nodes for name in node.get("depends_on", {}).get("nodes", ())}
    assert read <= {*manifest["nodes"], *manifest["sources"]}


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_a_broken_database_is_found(name: str, broken: Project) -> None:
    broken.execute(DAMAGES[name])
    run = broken.dbt("test", "--select", name)
    assert run.statuses[name] in {"fail", "warn"}, run.shown


FIRST_ROW = "rowid = (select min(rowid) from features.dim_stores)"
#: What the generic tests find: the tests that are selected, and the damage.
BROKEN_TABLES = {
    "a repeated key": (
        "dim_stores,test_name:grain",
        "insert into features.dim_stores from features.dim_stores limit 1",
    ),
    "a key without a value": (
        "dim_stores,test_name:grain",
        f"update features.dim_stores set store_id = null where {FIRST_ROW}",
    ),
    "a value that is missing": (
        "dim_stores,test_name:grain",
        f"update features.dim_stores set has_sales = null where {FIRST_ROW}",
    ),
    "a value that is missing where rows have no key": (
        "int_sales_outcomes,test_name:never_null",
        "update features.int_sales_outcomes set n_rows = null where product_group = 1",
    ),
}


@pytest.mark.parametrize("name", BROKEN_TABLES)
def test_a_row_that_is_not_what_its_table_promises_is_found(name: str, broken: Project) -> None:
    selected, damage = BROKEN_TABLES[name]
    assert set(broken.dbt("test", "--select", selected).statuses.values()) == {"pass"}
    broken.execute(damage)
    run = broken.dbt("test", "--select", selected)
    assert set(run.statuses.values()) == {"fail"}, run.shown


def test_an_input_that_is_not_there_is_found(broken: Project, tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    (tmp_path / "inputs" / "demographics.csv").unlink()
    run = broken.dbt("test", "--select", "every_input_was_read", variables=variables)
    assert run.statuses["every_input_was_read"] == "warn", run.shown
    assert run.lines_with("WARN every_input_was_read: input demographics")


def test_every_project_test_is_seen_failing() -> None:
    folder = Path(__file__).parents[1] / "dbt"
    assert {*DAMAGES, *OF_THE_RUN} == {path.stem for path in folder.glob("*.sql")}
