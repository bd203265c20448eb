"""Silhouettes and distances of stores in clusters and segments."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import cdist

from segmentation.features.vectors import Matrix
from segmentation.segments.cohesion import COHESION_SCHEMA, cohesion, store_silhouettes
from segmentation.settings import Lane, Settings


def by_definition(z: Matrix, labels: np.ndarray[tuple[int], np.dtype[np.str_]]) -> list[float]:
    """Rousseeuw (1987), written down again."""
    distances = cdist(z, z)
    found = []
    for row, label in enumerate(labels):
        own = (labels == label) & (np.arange(len(z)) != row)
        if not own.any():
            found.append(0.0)
            continue
        inside = distances[row, own].mean()
        outside = min(
            distances[row, labels == other].mean() for other in set(labels) if other != label
        )
        found.append((outside - inside) / max(inside, outside))
    return found


def random_groups(n: int = 40) -> tuple[Matrix, np.ndarray[tuple[int], np.dtype[np.str_]]]:
    """Points and labels; one label has a single point."""
    generator = np.random.default_rng(5)
    labels = generator.choice(["a", "b", "c"], n).astype(str)
    labels[0] = "d"
    return generator.normal(size=(n, 3)), labels


def test_a_silhouette_is_what_the_definition_says() -> None:
    z, labels = random_groups()
    assert store_silhouettes(z, labels, sample=1000, seed=1) == pytest.approx(
        by_definition(z, labels)
    )


def test_above_the_sample_size_a_seeded_sample_is_measured_among_itself() -> None:
    z, labels = random_groups(300)
    found = store_silhouettes(z, labels, sample=100, seed=1)
    measured = ~np.isnan(found)
    assert measured.sum() == 100
    assert found[measured] == pytest.approx(by_definition(z[measured], labels[measured]))
    np.testing.assert_array_equal(found, store_silhouettes(z, labels, sample=100, seed=1))


@pytest.mark.parametrize("labels", [["a", "a", "a"], ["a", "b", "c"]])
def test_without_two_groups_that_hold_together_there_is_no_silhouette(labels: list[str]) -> None:
    found = store_silhouettes(np.eye(3), np.array(labels), sample=1000, seed=1)
    assert np.isnan(found).all()


def frames() -> tuple[pl.DataFrame, dict[Lane, pl.DataFrame], dict[Lane, pl.DataFrame]]:
    """Six stores of one category; S6 is an outlier of the internal lane and has no surroundings."""
    stores = [f"S{number}" for number in range(1, 7)]
    inside = [[0.0], [1.0], [4.0], [5.0], [0.5], [90.0]]
    merged = pl.DataFrame(
        {
            "category": "Snacks",
            "store_id": stores,
            "segment_id": ["1-1", "1-1", "2-1", "2-1", "1-1", "2-1"],
        }
    )
    internal = pl.DataFrame(
        {
            "scope": "Snacks",
            "store_id": stores,
            "cluster": [1, 1, 2, 2, 1, 2],
            "is_outlier": [False] * 5 + [True],
            "is_thin_history": False,
        }
    )
    external = internal.head(5).with_columns(
        pl.lit("external").alias("scope"), pl.lit(1).alias("cluster")
    )
    components = pl.DataFrame({"scope": "Snacks", "store_id": stores, "z": inside})
    return (
        merged,
        {"internal": internal, "external": external},
        {
            "internal": components,
            "external": components.head(5).with_columns(pl.lit("external").alias("scope")),
        },
    )


def test_a_store_not_learned_from_has_a_distance_but_no_silhouette() -> None:
    found = cohesion(*frames(), settings=Settings({}))
    assert found.schema == COHESION_SCHEMA
    counts = found.group_by("lane").agg(pl.len(), pl.col("silhouette", "distance").count())
    assert counts.sort("lane").rows() == [
        ("external", 5, 0, 5),
        ("internal", 6, 5, 6),
        ("merged", 6, 5, 6),
    ]


def test_a_store_not_learned_from_shapes_no_centroid() -> None:
    found = cohesion(*frames(), settings=Settings({}))
    distances = found.filter(lane="internal", label="2").select("store_id", "distance")
    assert distances.rows() == [("S3", 0.5), ("S4", 0.5), ("S6", 85.5)]


def test_a_segment_of_stores_not_learned_from_has_its_own_mean() -> None:
    merged, clusters, components = frames()
    merged = merged.with_columns(
        pl.when(pl.col("store_id") == "S6").then(pl.lit("2-x")).otherwise("segment_id").name.keep()
    )
    found = cohesion(merged, clusters, components, Settings({})).filter(lane="merged")
    assert found.filter(label="2-x").select("distance", "silhouette").rows() == [(0.0, None)]
    assert found.filter(pl.col("label") != "2-x")["silhouette"].null_count() == 0


def test_distances_are_to_the_own_and_to_the_nearest_other_centroid() -> None:
    found = cohesion(*frames(), settings=Settings({})).filter(lane="internal", store_id="S1")
    assert found.select("label", "distance", "next_label", "next_distance").rows() == [
        ("1", 0.5, "2", 4.5)
    ]


def test_a_single_cluster_has_distances_and_nothing_next_to_it() -> None:
    found = cohesion(*frames(), settings=Settings({})).filter(lane="external")
    assert found["silhouette"].null_count() == found["next_label"].null_count() == 5
    assert found["distance"].null_count() == 0
