from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segmentation.features.vectors import Matrix
from segmentation.segments.merging import (
    MERGED_SCHEMA,
    Move,
    cell_name,
    dissolve_small_cells,
    merge_lanes,
    with_unit_variance,
)
from segmentation.settings import Settings

#: A store: internal cluster or none, external cluster or none, coordinates in both lanes.
#: Whole coordinates keep sums exact in any order, so that ties are ties everywhere.
Store = tuple[int | None, int | None, tuple[int, int], tuple[int, int, int]]
COORDINATE = st.integers(-3, 3)
STORES: st.SearchStrategy[list[Store]] = st.lists(
    st.tuples(
        st.sampled_from([None, 1, 2, 3]),
        st.sampled_from([None, 1, 2, 3]),
        st.tuples(COORDINATE, COORDINATE),
        st.tuples(COORDINATE, COORDINATE, COORDINATE),
    ),
    min_size=1,
    max_size=30,
)
MINIMUM = st.integers(1, 12)


def lanes_of(stores: Sequence[Store]) -> tuple[list[str], list[Matrix]]:
    """Cells and matrices of some stores, rows of NaN where a lane does not know one."""
    cells = [cell_name(store[0], store[1]) for store in stores]
    internal = [[math.nan] * 2 if store[0] is None else list(store[2]) for store in stores]
    external = [[math.nan] * 3 if store[1] is None else list(store[3]) for store in stores]
    return cells, [np.array(internal, dtype=np.float64), np.array(external, dtype=np.float64)]


def centroid(rows: list[list[float]]) -> list[float]:
    """Mean of some rows, coordinate by coordinate."""
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def squared_distance(first: list[float], second: list[float]) -> float:
    """Squared Euclidean distance of two points."""
    return sum((one - other) ** 2 for one, other in zip(first, second, strict=True))


def known_centroids(members: dict[str, list[int]], lane: Matrix) -> dict[str, list[float]]:
    """Centroids of the cells that a lane knows, from all their stores."""
    rows = {
        name: [row for row in lane[stores].tolist() if not any(math.isnan(v) for v in row)]
        for name, stores in members.items()
    }
    return {name: centroid(inside) for name, inside in rows.items() if inside}


def distances_from_scratch(
    cells: list[str], segment_of: dict[str, str], lanes: list[Matrix], smallest: str
) -> dict[str, float]:
    """Distance from one segment to each other, every centroid computed from its stores."""
    original: dict[str, list[int]] = {}
    members: dict[str, list[int]] = {}
    for store, cell in enumerate(cells):
        original.setdefault(cell, []).append(store)
        members.setdefault(segment_of[cell], []).append(store)
    squares: dict[str, list[float]] = {name: [] for name in members if name != smallest}
    for lane in lanes:
        first = known_centroids(original, lane).values()
        pairs = [squared_distance(one, other) for one, other in combinations(first, 2)]
        typical = sum(pairs) / len(pairs) if pairs else 0.0
        centers = known_centroids(members, lane)
        for name, values in squares.items():
            both = name in centers and smallest in centers
            values.append(squared_distance(centers[name], centers[smallest]) if both else typical)
    return {name: math.sqrt(sum(values) / len(values)) for name, values in squares.items()}


@given(STORES, MINIMUM)
def test_every_move_is_the_one_found_by_computing_all_centroids_from_scratch(
    stores: list[Store], minimum: int
) -> None:
    cells, lanes = lanes_of(stores)
    segment_of = {cell: cell for cell in cells}
    expected, moves = dissolve_small_cells(cells, lanes, minimum)
    for step, move in enumerate(moves, start=1):
        sizes = Counter(segment_of[cell] for cell in cells)
        size, smallest = min((size, name) for name, size in sizes.items())
        assert (move.step, move.from_cell, move.n_stores) == (step, smallest, size)
        assert size < minimum
        distances = distances_from_scratch(cells, segment_of, lanes, smallest)
        assert move.distance == pytest.approx(min(distances.values()), rel=1e-9)
        assert distances[move.into_cell] == pytest.approx(move.distance, rel=1e-9)
        segment_of = {
            cell: move.into_cell if segment == smallest else segment
            for cell, segment in segment_of.items()
        }
    assert segment_of == expected


@given(STORES, MINIMUM)
def test_every_cell_ends_in_a_segment_that_is_large_enough_or_the_only_one(
    stores: list[Store], minimum: int
) -> None:
    cells, lanes = lanes_of(stores)
    segment_of, moves = dissolve_small_cells(cells, lanes, minimum)
    assert set(segment_of) == set(cells)
    sizes = [
        sum(segment_of[cell] == segment for cell in cells) for segment in set(segment_of.values())
    ]
    assert len(sizes) == 1 or min(sizes) >= minimum
    assert len(sizes) == len(set(cells)) - len(moves)


@given(STORES, MINIMUM, st.data())
def test_the_order_of_the_stores_does_not_matter(
    stores: list[Store], minimum: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(stores))
    assert dissolve_small_cells(*lanes_of(stores), minimum) == dissolve_small_cells(
        *lanes_of(shuffled), minimum
    )


@given(STORES, MINIMUM)
def test_a_dissolved_cell_takes_the_name_of_the_larger_part(
    stores: list[Store], minimum: int
) -> None:
    cells, lanes = lanes_of(stores)
    sizes = {cell: cells.count(cell) for cell in cells}
    for move in dissolve_small_cells(cells, lanes, minimum)[1]:
        assert sizes[move.from_cell] == move.n_stores <= sizes[move.into_cell]
        sizes[move.into_cell] += sizes.pop(move.from_cell)


def test_cells_that_are_all_large_enough_stay_as_they_are() -> None:
    cells = ["1-1", "1-2"] * 3
    segments = dissolve_small_cells(cells, [np.zeros((6, 1)), np.zeros((6, 1))], 3)
    assert segments == ({"1-1": "1-1", "1-2": "1-2"}, [])


def test_the_smallest_cell_goes_first_and_joins_the_nearest_one() -> None:
    cells = ["a"] * 2 + ["b"] * 3 + ["c"] * 5
    positions = np.array([[0.0]] * 2 + [[4.0]] * 3 + [[10.0]] * 5)
    segment_of, moves = dissolve_small_cells(cells, [positions], 4)
    assert segment_of == {"a": "b", "b": "b", "c": "c"}
    assert moves == [Move(1, "a", "b", 2, 4.0)]


def test_centroids_move_with_every_join() -> None:
    # once b has taken a in, its centre is 2.0 and no more 4.0: then d is nearer to c
    cells = ["a"] * 3 + ["b"] * 3 + ["d"] * 4 + ["e"] * 9
    positions = np.array([[0.0]] * 3 + [[4.0]] * 3 + [[7.5]] * 4 + [[12.0]] * 9)
    _, moves = dissolve_small_cells(cells, [positions], 5)
    assert moves == [Move(1, "a", "b", 3, 4.0), Move(2, "d", "e", 4, 4.5)]


def test_ties_of_size_and_distance_go_to_the_name_that_sorts_first() -> None:
    cells = ["b", "a", "d", "d", "c", "c"]
    positions = np.array([[0.0], [0.0], [1.0], [1.0], [-1.0], [-1.0]])
    _, moves = dissolve_small_cells(cells, [positions], 2)
    assert moves == [Move(1, "a", "b", 1, 0.0)]
    without_b, moves = dissolve_small_cells(cells[1:], [positions[1:]], 2)
    assert moves == [Move(1, "a", "c", 1, 1.0)]
    assert without_b["a"] == "c"


def test_a_lane_that_does_not_know_a_cell_counts_with_its_typical_distance() -> None:
    internal = np.array([[0.0], [1.0], [1.0], [3.0], [3.0]])
    external = np.array([[math.nan], [9.0], [9.0], [0.0], [0.0]])
    cells = ["1-x", "1-1", "1-1", "2-2", "2-2"]
    assert dissolve_small_cells(cells, [internal, external], 2)[1] == [
        Move(1, "1-x", "1-1", 1, math.sqrt((1.0 + 81.0) / 2))
    ]


@pytest.mark.parametrize(("nearest", "target"), [(1.0, "1-2"), (30.0, "1-x")])
def test_not_to_know_a_cell_makes_it_neither_near_nor_far(nearest: float, target: str) -> None:
    # a typical distance outside lies between that of the nearest cell and that of the farthest
    external = np.array([[0.0], [nearest], [nearest], [31.0], [31.0], [math.nan], [math.nan]])
    cells = ["1-1", "1-2", "1-2", "1-3", "1-3", "1-x", "1-x"]
    moves = dissolve_small_cells(cells, [np.zeros((7, 1)), external], 2)[1]
    assert [move.into_cell for move in moves] == [target]


def test_a_cell_that_shares_no_lane_with_any_other_still_finds_a_segment() -> None:
    internal = np.array([[0.0], [math.nan], [math.nan]])
    external = np.array([[math.nan], [1.0], [1.0]])
    segment_of, moves = dissolve_small_cells(["1-x", "x-1", "x-1"], [internal, external], 2)
    assert segment_of == {"1-x": "x-1", "x-1": "x-1"}
    assert moves == [Move(1, "1-x", "x-1", 1, 0.0)]


def test_without_any_component_cells_join_by_name() -> None:
    nothing = np.empty((5, 0))
    segment_of, moves = dissolve_small_cells(["c", "b", "b", "a", "a"], [nothing, nothing], 2)
    assert segment_of == {"a": "a", "b": "b", "c": "a"}
    assert [move.distance for move in moves] == [0.0]


def test_fewer_stores_than_the_minimum_are_one_segment() -> None:
    segment_of, _ = dissolve_small_cells(["1-1", "2-2"], [np.array([[0.0], [9.0]])], 20)
    assert segment_of == {"1-1": "2-2", "2-2": "2-2"}


@pytest.mark.parametrize(
    ("clusters", "name"),
    [((1, 2), "1-2"), ((None, 2), "x-2"), ((1, None), "1-x"), ((None, None), "x-x")],
)
def test_a_cell_is_named_after_both_clusters_and_a_missing_lane_is_an_x(
    clusters: tuple[int | None, int | None], name: str
) -> None:
    assert cell_name(*clusters) == name


@given(
    arrays(np.float64, st.tuples(st.integers(2, 8), st.integers(1, 4)), elements=st.floats(-9, 9)),
    st.floats(0.1, 1e3),
)
def test_scaled_components_have_variances_that_add_up_to_one(z: Matrix, unit: float) -> None:
    scaled = with_unit_variance(z * unit)
    total = sum(float(np.var(column)) for column in (z * unit).T)
    if total > 1e-12:
        assert sum(float(np.var(column)) for column in scaled.T) == pytest.approx(1.0)
        np.testing.assert_allclose(scaled, z * unit / math.sqrt(total))


def test_stores_that_the_lane_does_not_know_stay_unknown_and_do_not_count_for_the_scale() -> None:
    z = np.array([[1.0, 0.0], [math.nan, math.nan], [-1.0, 0.0]])
    np.testing.assert_allclose(
        with_unit_variance(z), [[1.0, 0.0], [math.nan, math.nan], [-1.0, 0.0]]
    )


@pytest.mark.parametrize("z", [np.full((3, 2), 4.0), np.empty((3, 0)), np.full((2, 1), math.nan)])
def test_components_without_variance_stay_as_they_are(z: Matrix) -> None:
    np.testing.assert_array_equal(with_unit_variance(z), z)


#: `cell_precedence`, as far as merging reads it.
PRECEDENCE_SCHEMA = {
    "category": pl.String,
    "internal_model_id": pl.String,
    "external_model_id": pl.String,
    "cell_id": pl.String,
    "precedence": pl.Int32,
}


def merged(
    stores: Sequence[tuple[str, str, int | None, int | None, list[float], list[float]]],
    minimum: int = 1,
    precedence: Sequence[tuple[str, str, str, str, int]] = (),
    **given_settings: object,
) -> pl.DataFrame:
    """Merge stores of (category, id, internal and external cluster, internal and external z)."""
    category_schema = {"scope": pl.String, "store_id": pl.String}
    internal = [store for store in stores if store[2] is not None]
    external = {store[1]: store for store in stores if store[3] is not None}.values()
    numbers, vector = {"cluster": pl.Int32}, {"z": pl.List(pl.Float64)}
    return merge_lanes(
        pl.DataFrame(
            [store[:2] for store in stores],
            schema={"category": pl.String, "store_id": pl.String},
            orient="row",
        ),
        pl.DataFrame(
            [store[:3] for store in internal], schema={**category_schema, **numbers}, orient="row"
        ),
        pl.DataFrame(
            [("external", store[1], store[3]) for store in external],
            schema={**category_schema, **numbers},
            orient="row",
        ),
        pl.DataFrame(
            [(store[0], store[1], store[4]) for store in internal],
            schema={**category_schema, **vector},
            orient="row",
        ),
        pl.DataFrame(
            [("external", store[1], store[5]) for store in external],
            schema={**category_schema, **vector},
            orient="row",
        ),
        pl.DataFrame(list(precedence), schema=PRECEDENCE_SCHEMA, orient="row"),
        pl.DataFrame(
            [("internal", "Snacks", "m1"), ("external", "external", "e1")],
            schema={"lane": pl.String, "scope": pl.String, "model_id": pl.String},
            orient="row",
        ),
        Settings({"min_segment_size": minimum, **given_settings}),
    )


def test_every_store_appears_in_every_category_it_sells_in_with_and_without_lanes() -> None:
    frame = merged(
        [
            ("Snacks", "s2", 1, None, [0.0], []),
            ("Snacks", "s1", 1, 2, [1.0], [5.0]),
            ("Dairy", "s3", None, 1, [], [4.0]),
            ("Dairy", "s4", None, None, [], []),
        ]
    )
    assert frame.schema == MERGED_SCHEMA
    assert frame.drop("moves").rows() == [
        ("Dairy", "s3", None, 1, "x-1", "x-1", False),
        ("Dairy", "s4", None, None, "x-x", "x-x", False),
        ("Snacks", "s1", 1, 2, "1-2", "1-2", False),
        ("Snacks", "s2", 1, None, "1-x", "1-x", False),
    ]
    assert frame["moves"].to_list() == [[], [], [], []]


def test_the_moves_of_a_store_form_the_path_from_its_cell_to_its_segment() -> None:
    stores = [("Snacks", f"a{i}", 1, 1, [0.0], [0.0]) for i in range(1)]
    stores += [("Snacks", f"b{i}", 2, 1, [1.0], [0.0]) for i in range(2)]
    stores += [("Snacks", f"c{i}", 3, 1, [3.0], [0.0]) for i in range(6)]
    stores += [("Snacks", f"d{i}", 4, 1, [99.0], [0.0]) for i in range(6)]
    frame = merged(list(stores), minimum=4)
    rows = {row["store_id"]: row for row in frame.iter_rows(named=True)}
    paths = {
        store: [(move["step"], move["from_cell"], move["into_cell"]) for move in row["moves"]]
        for store, row in rows.items()
    }
    assert paths["a0"] == [(1, "1-1", "2-1"), (2, "2-1", "3-1")]
    assert paths["b0"] == paths["b1"] == [(2, "2-1", "3-1")]
    assert paths["c0"] == paths["d0"] == []
    assert [move["n_stores"] for move in rows["a0"]["moves"]] == [1, 3]
    for row in rows.values():
        here = row["cell_id"]
        for move in row["moves"]:
            assert move["from_cell"] == here
            here = move["into_cell"]
        assert here == row["segment_id"]
        assert row["was_reassigned"] == (row["cell_id"] != row["segment_id"])


def test_a_lane_weighs_the_same_however_widely_its_components_spread() -> None:
    # the small cell is near b inside and near c outside; the unit of a lane must not decide
    def target(unit: float) -> str:
        stores = [("Snacks", "a", 1, 1, [0.0], [0.0])]
        stores += [("Snacks", f"b{i}", 2, 1, [0.2 * unit], [3.0]) for i in range(4)]
        stores += [("Snacks", f"c{i}", 1, 2, [1.0 * unit], [0.5]) for i in range(4)]
        frame = merged(list(stores), minimum=3)
        segment = frame.filter(pl.col("store_id") == "a")["segment_id"][0]
        assert isinstance(segment, str)
        return segment

    assert target(1e-3) == target(1.0) == target(1e3)


def test_the_minimum_size_can_differ_between_categories() -> None:
    stores = [(c, f"s{i}", 1 + i % 2, 1, [float(i % 2)], [0.0]) for c in "AB" for i in range(6)]
    frame = merged(list(stores), minimum=2, scopes={"B": {"min_segment_size": 4}})
    segments = frame.group_by("category").agg(pl.col("segment_id").n_unique()).sort("category")
    assert segments.rows() == [("A", 2), ("B", 1)]


@given(STORES, MINIMUM, st.permutations(range(30)), st.integers(0, 1000))
def test_new_names_for_the_stores_change_no_segment(
    stores: list[Store], minimum: int, names: list[int], seed: int
) -> None:
    places = np.random.default_rng(seed).normal(size=(len(stores), 5)).tolist()  # without ties

    def segments(ids: list[str]) -> dict[int, tuple[str, str]]:
        rows = [
            ("A", ids[i], one[0], one[1], places[i][:2], places[i][2:])
            for i, one in enumerate(stores)
        ]
        found = {row["store_id"]: row for row in merged(rows, minimum).iter_rows(named=True)}
        return {
            i: (found[ids[i]]["cell_id"], found[ids[i]]["segment_id"]) for i in range(len(stores))
        }

    assert segments([f"s{i:02d}" for i in range(30)]) == segments([f"s{n:02d}" for n in names])


def test_without_any_store_there_is_an_empty_table_of_the_same_columns() -> None:
    frame = merged([])
    assert frame.is_empty()
    assert frame.schema == MERGED_SCHEMA


def test_a_category_whose_models_have_no_components_is_still_merged() -> None:
    stores: list[tuple[str, str, int | None, int | None, list[float], list[float]]] = [
        ("A", f"s{i}", 1, 1, [], []) for i in range(3)
    ]
    assert merged(stores, minimum=2)["segment_id"].to_list() == ["1-1"] * 3


@given(st.permutations(["a", "b", "c", "d"]), st.integers(1, 12))
def test_precedence_changes_the_names_and_not_the_segments(order: list[str], minimum: int) -> None:
    cells = ["a", "b", "b", "c", "c", "c", "d", "d", "d", "d"]
    positions = np.array([[0.0], [1.0], [1.1], [3.0], [3.1], [3.2], [9.0], [9.1], [9.2], [9.3]])
    precedence = {name: place for place, name in enumerate(order, start=1)}
    plain, _ = dissolve_small_cells(cells, [positions], minimum)
    named, moves = dissolve_small_cells(cells, [positions], minimum, precedence)
    together = {frozenset(c for c in plain if plain[c] == segment) for segment in plain.values()}
    assert {frozenset(c for c in named if named[c] == s) for s in named.values()} == together
    for members in together:
        (name,) = {named[cell] for cell in members}
        assert name == min(members, key=precedence.__getitem__)
    for move in moves:
        assert precedence[move.into_cell] < precedence[move.from_cell]


def test_a_segment_keeps_the_name_that_its_pair_of_models_settled() -> None:
    stores = [("Snacks", f"a{i}", 1, 1, [0.0], [0.0]) for i in range(3)]
    stores += [("Snacks", f"b{i}", 1, 2, [0.5], [0.0]) for i in range(2)]
    settled = [
        ("Snacks", "m1", "e1", "1-2", 1),
        ("Snacks", "m1", "e1", "1-1", 2),
        ("Snacks", "m0", "e1", "1-1", 1),
        ("Dairy", "m1", "e1", "1-1", 1),
    ]
    assert set(merged(list(stores), minimum=4)["segment_id"]) == {"1-1"}
    frame = merged(list(stores), minimum=4, precedence=settled)
    assert set(frame["segment_id"]) == {"1-2"}
    moved = frame.filter("was_reassigned")
    assert moved["cell_id"].to_list() == ["1-1"] * 3
    assert moved["moves"][0][0] == {
        "step": 1,
        "from_cell": "1-1",
        "into_cell": "1-2",
        "n_stores": 3,
        "distance": pytest.approx(0.5 / math.sqrt(2 * 0.06), rel=1e-6),
    }
