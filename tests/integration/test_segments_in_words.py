"""Profiles, names, rules and pictures: what people read of the segments."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import silhouette_score

from segmentation.pictures.drawings import KINDS

from .conftest import SeedsBuild
from .helpers import OWN_INPUTS, REPOSITORY, THREE_CLUSTERS, Built, Project, copy_of


def test_the_effect_size_is_the_share_of_variance_between_segments(
    seeds_build: SeedsBuild,
) -> None:
    values = seeds_build.project.query(
        "select segments.category, segments.segment_id, feature_values.feature,"
        "   feature_values.transformed_value as value"
        " from segments.store_segments as segments"
        " inner join features.feature_values using (store_id)"
        " where feature_values.lane = 'internal' and feature_values.scope = segments.category"
    )
    overall = ["category", "feature"]
    squares = (
        values.with_columns(
            within=pl.col("value") - pl.col("value").mean().over(*overall, "segment_id"),
            total=pl.col("value") - pl.col("value").mean().over(*overall),
        )
        .group_by(overall)
        .agg(1 - (pl.col("within") ** 2).sum() / (pl.col("total") ** 2).sum())
    )
    expected = {(category, feature): value for category, feature, value in squares.iter_rows()}
    found = seeds_build.project.query(
        "select distinct category, feature, effect_size from segments.segment_profiles"
        " where lane = 'internal'"
    )
    assert found.height == len(expected) > 30
    for category, feature, size in found.iter_rows():
        assert size == pytest.approx(expected[category, feature], abs=1e-8)


def test_profiles_compare_in_the_units_of_the_inputs(seeds_build: SeedsBuild) -> None:
    stores = seeds_build.project.query(
        "select segments.category, segments.segment_id, raw_value as value"
        " from segments.store_segments as segments"
        " inner join features.feature_values using (store_id)"
        " where feature like '%parking_spaces%' and raw_value is not null"
    )
    overall = stores.group_by("category").agg(
        mean=pl.col("value").mean(), median=pl.col("value").median()
    )
    expected = (
        stores.join(overall, on="category")
        .group_by("category", "segment_id")
        .agg(
            ratio=pl.col("value").mean() / pl.col("mean").first(),
            above=(pl.col("value") > pl.col("median")).mean(),
        )
        .sort("category", "segment_id")
    )
    found = seeds_build.project.query(
        "select category, segment_id, ratio, share_above_median as above"
        " from segments.segment_profiles where feature like '%parking_spaces%' order by all"
    )
    assert found.height == expected.height > 20
    for ours, theirs in zip(found.iter_rows(), expected.iter_rows(), strict=True):
        assert ours[:2] == theirs[:2]
        assert ours[2:] == pytest.approx(theirs[2:])


@pytest.mark.parametrize("lane", ["internal", "external"])
def test_the_mean_silhouette_of_a_scope_is_that_of_scikit_learn(
    seeds_build: SeedsBuild, lane: str
) -> None:
    rows = seeds_build.project.query(
        "select scope, cohesion.silhouette, z, clusters.cluster"
        " from lanes.store_cohesion as cohesion"
        f" inner join lanes.{lane}_components using (scope, store_id)"
        f" inner join lanes.{lane}_clusters as clusters using (scope, store_id)"
        f" where cohesion.lane = '{lane}' and cohesion.silhouette is not null order by all"
    )
    scopes = rows["scope"].unique().to_list()
    assert len(scopes) == (4 if lane == "internal" else 1)
    for scope in scopes:
        own = rows.filter(scope=scope)
        expected = silhouette_score(np.array(own["z"].to_list()), own["cluster"].to_numpy())
        assert own["silhouette"].mean() == pytest.approx(expected, abs=1e-9)


def test_every_segment_is_said_in_one_sentence_with_its_numbers(seeds_build: SeedsBuild) -> None:
    rows = seeds_build.project.query("select * from segments.segment_summary").to_dicts()
    for row in rows:
        first = row["description"].split(" of ")[0]
        assert first == str(row["n_stores"])
        assert row["description"].endswith(".")
        assert -1 <= row["cohesion"] <= 1
        assert row["closest_segment_id"] != row["segment_id"]
        assert set(row["most_typical_stores"]).isdisjoint(row["least_typical_stores"])
    assert len(rows) > 20


def test_the_query_of_a_rule_gives_its_stores_and_each_store_fulfils_one_rule(
    seeds_build: SeedsBuild,
) -> None:
    project = seeds_build.project
    rules = project.query("select * from segments.segment_rules")
    assert rules.group_by("lane", "scope").len().height == 5
    for (lane, scope), own in rules.group_by("lane", "scope"):
        clusters = dict(
            project.query(
                f"select store_id, cluster from lanes.{lane}_clusters where scope = ?", [scope]
            ).iter_rows()
        )
        seen: list[str] = []
        for rule in own.to_dicts():
            stores = [store for (store,) in project.query(rule["sql"]).iter_rows()]
            right = sum(clusters[store] == rule["cluster"] for store in stores)
            assert (rule["n_stores"], rule["n_right"]) == (len(stores), right)
            seen.extend(stores)
        assert sorted(seen) == sorted(clusters)
        assert own["fidelity"][0] == pytest.approx(own["n_right"].sum() / len(clusters))
        assert own["fidelity"][0] > 0.7
        assert own.height <= len(set(clusters.values())) + 2


def test_the_table_of_pictures_has_the_hash_of_every_file(seeds_build: SeedsBuild) -> None:
    rows = seeds_build.project.query("select * from segments.segment_plots").to_dicts()
    folder = seeds_build.pictures
    drawn = [row for row in rows if row["status"] == "drawn"]
    assert {row["kind"] for row in drawn} == {kind.name for kind in KINDS} - {"movements"}
    for row in drawn:
        assert Path(row["path"]) == folder / f"{row['name']}.{row['format']}"
        assert row["sha256"] == hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest()
    assert {row["kind"] for row in rows if row["status"] == "nothing to draw"} == {"movements"}


def test_the_readme_shows_what_the_build_gives(seeds_build: SeedsBuild) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    project = seeds_build.project
    said = " ".join(re.findall(r"^> (.*)$", readme, re.MULTILINE))
    assert said in project.query("select description from segments.segment_summary").to_series()
    (rule,) = re.findall(r"^if .* then cluster \d+$", readme, re.MULTILINE)
    assert rule in project.query("select rule_text from segments.segment_rules").to_series()
    (scope,) = re.findall(r"\]\(docs/pictures/profiles-(\w+)\.png\)", readme)
    (path,) = project.query(
        "select path from segments.segment_plots where kind = 'profiles' and lower(scope) = ?",
        [scope],
    ).to_series()
    shown = f"docs/pictures/profiles-{scope}.png"
    now, before = (
        np.asarray(Image.open(file).convert("L"), dtype=float)
        for file in (path, REPOSITORY / shown)
    )
    # other versions of the drawing library may differ in the edges of letters
    assert now.shape == before.shape, f"copy {path} to {shown}"
    assert np.abs(now - before).mean() < 2, f"copy {path} to {shown}"


@pytest.fixture(scope="module")
def renamed(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A second build with names that people gave, and with a picture that cannot be drawn."""
    project = copy_of(small_build.project, tmp_path_factory.mktemp("renamed") / "build")
    run = project.dbt("seed", "--select", "segment_name_overrides")
    assert run.success, run.shown
    project.execute(
        "insert into raw.segment_name_overrides values"
        " ('Bread', '1-1', 'Corner shops'), ('Bread', '9-9', 'Nobody')"
    )
    (project.folder / "pictures" / "sizes.png").mkdir(parents=True)
    variables = {
        **small_build.variables,
        "segmentation": {**THREE_CLUSTERS, "picture_formats": ["png"]},
    }
    for _ in range(2):
        project.build(*OWN_INPUTS, variables=variables)
    return project


def test_a_given_name_survives_the_next_builds(renamed: Project) -> None:
    names = renamed.query(
        "select distinct segment_id, segment_name from segments.store_segments"
        " where category = 'Bread' order by 1"
    ).rows()
    assert names[0] == ("1-1", "Corner shops")
    assert all(name != "Corner shops" for _, name in names[1:])


def test_names_and_labels_of_nothing_and_pictures_that_failed_are_warned_of_by_name(
    renamed: Project, small_build: Built
) -> None:
    labels = {"demographics.median_incom_usd": "income", "Fresh": "fresh food"}
    variables = {
        **small_build.variables,
        "segmentation": {**THREE_CLUSTERS, "labels": labels},
    }
    tests = ("given_names_have_a_segment", "every_picture_was_drawn", "labels_have_a_column")
    run = renamed.dbt("test", "--select", *tests, variables=variables)
    assert run.success
    assert {name: run.statuses[name] for name in tests} == dict.fromkeys(tests, "warn")
    assert run.lines_with(
        "WARN given_names_have_a_segment: category Bread, segment_id 9-9, segment_name Nobody"
    )
    assert run.lines_with("WARN every_picture_was_drawn: name sizes, format png")
    (line,) = run.lines_with("WARN labels_have_a_column: ")
    assert (
        "label demographics.median_incom_usd, did_you_mean demographics.median_income_usd" in line
    )


def test_a_picture_that_cannot_be_drawn_is_a_row_and_the_rest_is_there(renamed: Project) -> None:
    rows = renamed.query("select name, status, reason from segments.segment_plots").rows()
    failed = [(name, reason) for name, status, reason in rows if status == "failed"]
    assert [name for name, _ in failed] == ["sizes"]
    assert "sizes.png" in failed[0][1]
    assert len(rows) > 20


def test_where_no_store_has_moved_no_movements_are_drawn(renamed: Project) -> None:
    moved = renamed.query(
        "select scope, status from segments.segment_plots where kind = 'movements' order by all"
    )
    assert moved.rows() == [("Bread", "nothing to draw"), ("Cheese", "nothing to draw")]
