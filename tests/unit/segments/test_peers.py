from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segmentation.features.vectors import Matrix
from segmentation.segments.merging import with_unit_variance
from segmentation.segments.peers import N_PEERS, PEERS_SCHEMA, nearest_stores, segment_peers

Store = tuple[str, str, str, list[float] | None, list[float] | None]


def ids(number: int) -> list[str]:
    """Store ids in ascending order."""
    return [f"s{row:02d}" for row in range(number)]


def nearest(z: Matrix) -> list[list[tuple[str, float]]]:
    """Neighbours of each of as many stores as `z` has rows, as pairs of id and distance."""
    stores = ids(len(z))
    return [
        [(stores[row], distance) for row, distance in zip(*near, strict=True)]
        for near in zip(*(found.tolist() for found in nearest_stores(z)), strict=True)
    ]


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 14), st.integers(1, 3)),
        elements=st.integers(-50, 50).map(float),
    )
)
def test_peers_are_as_near_as_brute_force_finds(z: Matrix) -> None:
    stores = ids(len(z))
    for row, near in enumerate(nearest(z)):
        distances = np.sqrt(((z - z[row]) ** 2).sum(axis=1))
        smallest = np.sort(np.delete(distances, row))[:N_PEERS]
        np.testing.assert_allclose([distance for _, distance in near], smallest)
        assert stores[row] not in [store for store, _ in near]
        assert [(distance, store) for store, distance in near] == sorted(
            (distance, store) for store, distance in near
        )
        for store, distance in near:
            assert distances[stores.index(store)] == pytest.approx(distance)


def test_identical_stores_are_peers_of_each_other_and_never_of_themselves() -> None:
    found = nearest(np.ones((20, 2)))
    for store, near in zip(ids(20), found, strict=True):
        assert len(near) == N_PEERS
        assert store not in [peer for peer, _ in near]
        assert {distance for _, distance in near} == {0.0}


@pytest.mark.parametrize(("stores", "expected"), [(0, []), (1, [0]), (3, [2, 2, 2])])
def test_a_small_segment_has_as_many_peers_as_there_are(stores: int, expected: list[int]) -> None:
    found = nearest(np.arange(stores, dtype=np.float64)[:, None])
    assert [len(near) for near in found] == expected


def test_stores_of_which_nothing_is_known_are_equally_near() -> None:
    found = nearest(np.empty((3, 0)))
    assert found[0] == [("s01", 0.0), ("s02", 0.0)]


def peers_of(stores: Sequence[Store]) -> pl.DataFrame:
    """Peers of stores given as (category, id, segment, internal z, external z)."""
    key = pl.Schema({"scope": pl.String(), "store_id": pl.String(), "z": pl.List(pl.Float64)})
    external = {store[1]: store[4] for store in stores if store[4] is not None}
    return segment_peers(
        pl.DataFrame(
            [store[:3] for store in stores],
            schema={"category": pl.String, "store_id": pl.String, "segment_id": pl.String},
            orient="row",
        ),
        pl.DataFrame(
            [(store[0], store[1], store[3]) for store in stores if store[3] is not None],
            schema=key,
            orient="row",
        ),
        pl.DataFrame(
            [("external", store, z) for store, z in external.items()], schema=key, orient="row"
        ),
    )


def names(frame: pl.DataFrame, category: str, store: str) -> list[str]:
    """Ids of the peers of one store."""
    row = frame.filter(pl.col("category") == category, pl.col("store_id") == store)
    return [peer["store_id"] for peer in row["peers"][0]]


STORES: list[Store] = [
    ("Snacks", "a", "1-1", [0.0, 1.0], [0.0]),
    ("Snacks", "b", "1-1", [0.5, 1.0], [2.0]),
    ("Snacks", "c", "1-1", [4.0, 0.0], [9.0]),
    ("Snacks", "d", "1-1", [0.1, 1.0], None),
    ("Snacks", "e", "2-1", [0.0, 1.0], [0.0]),
    ("Dairy", "a", "1-1", [3.0], [0.0]),
    ("Dairy", "b", "1-1", [1.0], [2.0]),
]


def test_peers_come_from_the_same_segment_of_the_same_category() -> None:
    frame = peers_of(STORES)
    assert frame.schema == PEERS_SCHEMA
    assert frame.select("category", "store_id").rows() == sorted(
        (category, store) for category, store, *_ in STORES
    )
    assert sorted(names(frame, "Snacks", "a")) == ["b", "c", "d"]
    assert names(frame, "Snacks", "e") == []
    assert names(frame, "Dairy", "a") == ["b"]


def test_without_stores_there_are_no_peers() -> None:
    assert peers_of([]).equals(pl.DataFrame(schema=PEERS_SCHEMA))


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert peers_of(STORES[::-1]).equals(peers_of(STORES))


def test_the_distance_is_that_of_both_lanes_in_the_unit_of_merging() -> None:
    internal = np.array([[0.0, 1.0], [0.5, 1.0], [4.0, 0.0]])
    external = np.array([[0.0], [2.0], [9.0]])
    frame = peers_of(
        [
            ("Snacks", store, "1-1", internal[row].tolist(), external[row].tolist())
            for row, store in enumerate("abc")
        ]
    )
    joint = np.hstack([with_unit_variance(internal), with_unit_variance(external)])
    (first, second) = frame.filter(pl.col("store_id") == "a")["peers"][0]
    assert (first["store_id"], second["store_id"]) == ("b", "c")
    assert first["distance"] == pytest.approx(float(np.linalg.norm(joint[0] - joint[1])))
    assert second["distance"] == pytest.approx(float(np.linalg.norm(joint[0] - joint[2])))


def test_a_lane_that_knows_no_store_makes_none_nearer() -> None:
    without: list[Store] = [
        ("Snacks", store, "1-x", [value], None)
        for store, value in (("a", 0.0), ("b", 1.0), ("c", 5.0))
    ]
    assert names(peers_of(without), "Snacks", "a") == ["b", "c"]
