"""Why a store is where it is: recomputed without the SQL that says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from segmentation.features.vectors import Matrix
from segmentation.fitting.model import AffineModel

from .conftest import SeedsBuild

LANES = (("internal", "Snacks"), ("internal", "Oral Care"), ("external", "external"))


@pytest.mark.parametrize(("lane", "scope"), LANES)
def test_a_pull_is_what_the_difference_loses_when_the_feature_stands_in_the_middle(
    seeds_build: SeedsBuild, lane: str, scope: str
) -> None:
    pulls = seeds_build.project.query(
        "select * from governance.feature_pulls where lane = ? and scope = ? order by all",
        [lane, scope],
    )
    row = seeds_build.project.query(
        f"select models.* from lanes.{lane}_cluster_models as models"
        " semi join governance.current_cluster_models using (model_id) where scope = ?",
        [scope],
    ).row(0, named=True)
    # the values of a pull are those behind the transform of log-shares
    model = replace(AffineModel.from_row(row), gaps=None)
    place = {int(cluster): number for number, cluster in enumerate(model.clusters)}
    stores = pulls["store_id"].unique().sort().to_list()
    for store in stores[::40]:
        own = pulls.filter(pl.col("store_id") == store)
        first = place[own["cluster"][0]]
        second = place[own["second_cluster"][0]]
        values = dict(own.select("feature", "imputed_value").iter_rows())
        x = np.array([[values[name] for name in model.names]])

        def difference(features: Matrix, first: int = first, second: int = second) -> float:
            z = model.transform(model.names, features)[0]
            squares = ((z - model.centers) ** 2).sum(axis=1)
            return float(squares[second] - squares[first])

        assert own["pull"].sum() == pytest.approx(difference(x), abs=1e-8)
        for pull in own.to_dicts():
            moved = x.copy()
            middle = (pull["cluster_value"] + pull["second_cluster_value"]) / 2
            moved[0, model.names.index(pull["feature"])] = middle
            assert difference(x) - difference(moved) == pytest.approx(pull["pull"], abs=1e-8)


def test_every_store_of_a_category_is_explained_once(seeds_build: SeedsBuild) -> None:
    query = "select category, store_id, segment_id from segments.{} order by all"
    explained = seeds_build.project.query(query.format("store_explanations"))
    assert explained.equals(seeds_build.project.query(query.format("store_segments")))


def test_the_heaviest_features_come_first_and_are_said_in_words(seeds_build: SeedsBuild) -> None:
    rows = seeds_build.project.query("select * from segments.store_explanations").to_dicts()
    for row in rows[::100]:
        sizes = [abs(pull["pull"]) for pull in row["internal_pulls"]]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == 5
        heaviest = row["internal_pulls"][0]
        start = f"cluster {row['internal_cluster']} rather than {row['internal_second_cluster']}: "
        assert row["internal_reason"].startswith(start + heaviest["feature"])
        assert f"{round(100 * heaviest['pull_share']):+d} %" in row["internal_reason"]


def test_a_store_without_external_data_says_so(seeds_build: SeedsBuild) -> None:
    reasons = seeds_build.project.query(
        "select distinct external_reason from segments.store_explanations"
        " where external_cluster is null"
    )
    assert reasons.to_series().to_list() == ["no external data"]


def test_peers_are_other_stores_of_the_same_segment_nearest_first(seeds_build: SeedsBuild) -> None:
    peers = seeds_build.project.query(
        "select explained.category, explained.store_id, explained.segment_id,"
        " peer.store_id as peer, peer.distance, peer_place"
        " from segments.store_explanations as explained,"
        " unnest(peers) with ordinality as peers(peer, peer_place)"
    )
    segments = seeds_build.project.query(
        "select category, store_id as peer, segment_id as peer_segment from segments.store_segments"
    )
    joined = peers.join(segments, on=["category", "peer"], how="left")
    assert joined.height > 5000
    assert (joined["segment_id"] == joined["peer_segment"]).all()
    assert (joined["store_id"] != joined["peer"]).all()
    ordered = joined.sort("category", "store_id", "peer_place").with_columns(
        pl.col("distance").diff().over("category", "store_id").alias("step")
    )
    assert ordered["step"].drop_nulls().min() >= 0  # type: ignore[operator]


def test_the_outlier_score_is_one_for_the_median_store_of_a_cluster(
    seeds_build: SeedsBuild,
) -> None:
    medians = seeds_build.project.query(
        "select median(outlier_score) from lanes.internal_clusters group by scope, cluster"
    )
    np.testing.assert_allclose(medians.to_series().to_numpy(), 1.0, atol=1e-9)


def test_what_features_contribute_to_the_separation_sums_to_one(seeds_build: SeedsBuild) -> None:
    sums = seeds_build.project.query(
        "select sum(separation_share) as total, count(*) filter (where separation_share < 0) as bad"
        " from governance.feature_decisions where is_kept group by model_id"
    )
    np.testing.assert_allclose(sums["total"].to_numpy(), 1.0, atol=1e-9)
    assert sums["bad"].sum() == 0
