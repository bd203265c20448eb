from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segmentation.features.vectors import Labels, Matrix
from segmentation.segments.merging import (
    MAP_SCHEMA,
    MERGED_SCHEMA,
    LaneDistances,
    ScoredStores,
    automatic_minimum,
    cell_name,
    dissolve_small_cells,
    lasting_ids,
    map_cells,
    merge_lanes,
    same_clusters,
    scored_stores,
    with_unit_variance,
)
from segmentation.settings import Lane, Settings

#: A store: internal cluster or none, external cluster or none, place in both lanes.
Store = tuple[int | None, int | None, float, float]
#: Centroids of the clusters 1 to 3 of either lane; the lanes have the unit 1.
CENTERS = {1: 0.0, 2: 4.0, 3: 10.0}
STORES: st.SearchStrategy[list[Store]] = st.lists(
    st.tuples(
        st.sampled_from([None, 1, 2, 3]),
        st.sampled_from([None, 1, 2, 3]),
        st.floats(-3, 13),
        st.floats(-3, 13),
    ),
    min_size=1,
    max_size=30,
)
MINIMUM = st.integers(1, 12)
NOBODY = pl.DataFrame(
    schema={
        "category": pl.String,
        "store_id": pl.String,
        "segment_id": pl.String,
        "internal_model_id": pl.String,
        "external_model_id": pl.String,
        "internal_cluster": pl.Int32,
        "external_cluster": pl.Int32,
    }
)


def lane(places: Sequence[float | None]) -> LaneDistances:
    """Distances of stores on a line to the three centroids; None is not known to the lane."""
    points = np.array([math.nan if place is None else place for place in places])
    return LaneDistances(tuple(CENTERS), (points[:, None] - np.array([*CENTERS.values()])) ** 2)


def chain(
    stores: Sequence[Store],
    ids: Sequence[str] | None = None,
    models: tuple[str, str] = ("m1", "e1"),
) -> ScoredStores:
    """Stores of one category, sorted by id."""
    names = [f"s{number:02d}" for number in range(len(stores))] if ids is None else list(ids)
    order = sorted(range(len(stores)), key=names.__getitem__)
    rows = [stores[number] for number in order]
    return ScoredStores(
        "Snacks",
        models,
        pl.DataFrame(
            [
                ("Snacks", names[number], *store[:2])
                for number, store in zip(order, rows, strict=True)
            ],
            schema={
                "category": pl.String,
                "store_id": pl.String,
                "internal_cluster": pl.Int32,
                "external_cluster": pl.Int32,
            },
            orient="row",
        ),
        (
            lane([None if store[0] is None else store[2] for store in rows]),
            lane([None if store[1] is None else store[3] for store in rows]),
        ),
    )


def one(scored: ScoredStores) -> Iterator[ScoredStores]:
    """A project with a single category."""
    yield scored


def merged(
    scored: ScoredStores, minimum: int | str = 1, known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Fill the map, unless it is given, and look the stores up in it."""
    settings = Settings({"min_segment_size": minimum})
    filled = map_cells(one(scored), NOBODY, known, settings)
    rows = filled if known is None else pl.concat([known, filled])
    return merge_lanes(one(scored), rows, settings)


def as_before(frame: pl.DataFrame, models: tuple[str, str] = ("m1", "e1")) -> pl.DataFrame:
    """Segments of a run as the next one finds them."""
    return frame.with_columns(
        internal_model_id=pl.lit(models[0]), external_model_id=pl.lit(models[1])
    ).select(NOBODY.columns)


def segment_of(frame: pl.DataFrame) -> dict[str, str]:
    """Segment of each store."""
    return dict(frame.select("store_id", "segment_id").iter_rows())


def distances_on_a_line(own: Sequence[int], places: Sequence[float]) -> tuple[Labels, Matrix]:
    """Cells of stores, and distances of the stores to cells whose centers are 0, 4, 10 and 20."""
    centers = np.array([0.0, 4.0, 10.0, 20.0])
    return np.array(own, dtype=np.intp), np.abs(np.array(places)[:, None] - centers)


def test_cells_that_are_all_large_enough_stay_as_they_are() -> None:
    own, distances = distances_on_a_line([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 4, 4, 10, 10, 20, 20])
    ends, steps = dissolve_small_cells(own, distances, 2, "abcd")
    np.testing.assert_array_equal(ends, own)
    assert steps.tolist() == [0, 0, 0, 0]


def test_the_stores_of_a_small_cell_join_the_segment_that_is_nearest_to_each_of_them() -> None:
    own, distances = distances_on_a_line([0, 0, 0, 1, 1, 2, 2, 2], [0, 0, 0, 1, 9, 10, 10, 10])
    ends, steps = dissolve_small_cells(own, distances[:, :3], 3, "abc")
    assert ends.tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert steps.tolist() == [0, 1, 0]


def test_stores_that_have_joined_a_cell_count_for_its_size() -> None:
    own, distances = distances_on_a_line([0, 1, 1, 2, 2, 2, 2], [3, 4, 4, 10, 10, 10, 10])
    ends, steps = dissolve_small_cells(own, distances[:, :3], 3, "abc")
    assert ends.tolist() == [1, 1, 1, 2, 2, 2, 2]
    assert steps.tolist() == [1, 0, 0]


def test_a_store_moves_on_when_the_cell_it_had_joined_is_dissolved_too() -> None:
    own, distances = distances_on_a_line([0, 1, 1, 2, 2, 2, 2], [3, 4, 4, 10, 10, 10, 10])
    ends, steps = dissolve_small_cells(own, distances[:, :3], 4, "abc")
    assert set(ends.tolist()) == {2}
    assert steps.tolist() == [1, 2, 0]


def test_ties_of_size_and_distance_go_to_the_name_that_sorts_first() -> None:
    own, distances = distances_on_a_line([1, 0, 2, 2, 3, 3], [0] * 6)
    ends, steps = dissolve_small_cells(own, np.zeros_like(distances), 2, "abcd")
    assert steps.tolist() == [1, 0, 0, 0]
    assert ends.tolist() == [1, 1, 2, 2, 3, 3]


@given(STORES, MINIMUM)
def test_every_segment_is_large_enough_when_the_map_is_filled_or_the_only_one(
    stores: list[Store], minimum: int
) -> None:
    sizes = Counter(segment_of(merged(chain(stores), minimum)).values())
    assert len(sizes) == 1 or min(sizes.values()) >= minimum


@given(STORES, MINIMUM)
def test_a_moved_store_leaves_its_internal_cluster_only_for_a_cell_less_than_half_as_far(
    stores: list[Store], minimum: int
) -> None:
    scored = chain(stores)
    frame = merged(scored, minimum)
    owners = frame.filter(~pl.col("was_reassigned")).unique("segment_id", maintain_order=True)
    cells = owners.select("internal_cluster", "external_cluster").rows()
    distances = scored.distances(cells)
    for number, row in enumerate(frame.iter_rows(named=True)):
        if row["was_reassigned"]:
            own = np.array([cell[0] == row["internal_cluster"] for cell in cells])
            chosen = owners["cell_id"].to_list().index(row["into_cell"])
            assert row["distance"] == pytest.approx(distances[number, chosen])
            to_own = distances[number, own].min(initial=math.inf)
            to_others = distances[number, ~own].min(initial=math.inf)
            nearest = to_own if own[chosen] else to_others
            assert row["distance"] == pytest.approx(nearest)
            if not math.isclose(to_own, 2 * to_others):
                assert own[chosen] == (to_own < 2 * to_others)
            assert row["n_cell_stores"] == frame["cell_id"].to_list().count(row["cell_id"])
        else:
            assert row["distance"] is row["into_cell"] is row["n_cell_stores"] is None


@given(STORES, MINIMUM, st.data())
def test_no_store_moves_because_others_are_gone(
    stores: list[Store], minimum: int, data: st.DataObject
) -> None:
    settings = Settings({"min_segment_size": minimum})
    known = map_cells(one(chain(stores)), NOBODY, None, settings)
    before = segment_of(merge_lanes(one(chain(stores)), known, settings))
    kept = data.draw(st.lists(st.sampled_from(range(len(stores))), min_size=1, unique=True))
    left = chain([stores[number] for number in kept], [f"s{number:02d}" for number in kept])
    assert map_cells(one(left), NOBODY, known, settings).is_empty()
    for store, segment in segment_of(merge_lanes(one(left), known, settings)).items():
        assert segment == before[store]


@given(STORES, MINIMUM, st.permutations(range(30)))
def test_new_names_for_the_stores_change_no_segment(
    stores: list[Store], minimum: int, names: list[int]
) -> None:
    plain = segment_of(merged(chain(stores), minimum))
    ids = [f"s{names[number]:02d}" for number in range(len(stores))]
    renamed = segment_of(merged(chain(stores, ids), minimum))
    assert [renamed[name] for name in ids] == [plain[f"s{n:02d}"] for n in range(len(stores))]


def test_a_store_of_a_cell_that_the_map_does_not_know_joins_the_nearest_segment() -> None:
    known = map_cells(
        one(chain([(1, 1, 0.0, 0.0)] * 3 + [(2, 2, 4.0, 4.0)] * 3)),
        NOBODY,
        None,
        Settings({"min_segment_size": 2}),
    )
    frame = merged(chain([(3, 2, 9.0, 4.0)]), 2, known)
    row = frame.row(0, named=True)
    assert (row["cell_id"], row["segment_id"], row["n_cell_stores"]) == ("3-2", "2-2", 0)
    assert row["second_segment_id"] == "1-1"
    assert row["was_reassigned"]


def test_the_second_segment_is_the_nearest_other_one() -> None:
    stores: Sequence[Store] = (
        [(1, 1, 0.0, 0.0)] * 3 + [(2, 1, 4.0, 0.0)] * 3 + [(3, 1, 10.0, 0.0)] * 3
    )
    frame = merged(chain([*stores, (2, 1, 3.0, 0.0), (2, 1, 4.9, 0.0), (2, 1, 5.1, 0.0)]))
    assert frame["segment_id"].to_list()[-3:] == ["2-1"] * 3
    assert frame["second_segment_id"].to_list()[-3:] == ["1-1", "1-1", "3-1"]
    assert merged(chain(stores[:3]))["second_segment_id"].to_list() == [None] * 3


def test_a_lane_without_a_cell_makes_it_neither_near_nor_far() -> None:
    scored = chain([(1, 1, 0.0, 0.0), (1, None, 0.0, 0.0)])
    to_first, to_last, to_unknown = scored.distances([(1, 1), (1, 3), (1, None)])[0]
    assert to_first < to_unknown < to_last
    assert to_unknown == pytest.approx(math.sqrt((0 + 16 + 100) / 3))
    assert scored.distances([(1, 1), (1, 3), (1, None)])[1].tolist() == [0.0, 0.0, 0.0]


def test_without_a_usable_model_a_lane_does_not_count() -> None:
    lanes = LaneDistances((), np.zeros((2, 0)))
    assert lanes.to_clusters([None, None]).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("n_stores", "minimum"),
    [
        (1, 5),
        (60, 5),
        (150, 6),
        (240, 9),
        (300, 12),
        (500, 20),
        (1999, 20),
        (2500, 25),
        (50_000, 500),
    ],
)
def test_the_automatic_minimum_grows_with_the_chain(n_stores: int, minimum: int) -> None:
    assert automatic_minimum(n_stores) == minimum


def test_sixty_stores_in_three_groups_of_twenty_are_three_segments_by_default() -> None:
    stores: Sequence[Store] = [(k, 1, CENTERS[k], 0.0) for k in CENTERS for _ in range(20)]
    settings = Settings({})
    filled = map_cells(one(chain(stores)), NOBODY, None, settings)
    assert filled["n_segment_stores"].to_list() == [20, 20, 20]
    assert filled["min_segment_size"].unique().to_list() == [5]
    assert filled["size_rule"].unique().to_list() == ["auto"]


def test_a_minority_of_five_percent_is_a_segment_although_its_cells_are_small() -> None:
    stores: Sequence[Store] = [
        *[(1, e, 0.0, CENTERS[e]) for e in CENTERS for _ in range(95)],
        *[(2, e, 4.0, CENTERS[e]) for e in CENTERS for _ in range(5)],
    ]
    segments = merged(chain(stores), "auto").filter(internal_cluster=2)["segment_id"]
    assert segments.n_unique() == 1
    assert segments[0].startswith("2-")


def test_another_size_rule_or_another_model_fills_another_map() -> None:
    stores: Sequence[Store] = [(1, 1, 0.0, 0.0)] * 3 + [(2, 2, 4.0, 4.0)] * 2
    small, large = (Settings({"min_segment_size": size}) for size in (2, 3))
    known = map_cells(one(chain(stores)), NOBODY, None, small)
    assert map_cells(one(chain(stores)), NOBODY, known, small).is_empty()
    assert map_cells(one(chain(stores)), NOBODY, known, large).height == 2
    assert map_cells(one(chain(stores, models=("m2", "e1"))), NOBODY, known, small).height == 2
    assert known.schema == MAP_SCHEMA


def test_categories_without_an_internal_model_have_maps_of_their_own() -> None:
    models = ("none", "e1")
    settings = Settings({"min_segment_size": 2})
    snacks = chain([(None, 1, 0.0, 0.0)] * 3 + [(None, 2, 0.0, 4.0)], models=models)
    stores = chain([(None, 2, 0.0, 4.0)] * 3 + [(None, 1, 0.0, 0.0)], models=models)
    dairy = replace(stores, category="Dairy")
    known = map_cells(one(snacks), NOBODY, None, settings)
    filled = map_cells(one(dairy), NOBODY, known, settings)
    assert filled["category"].unique().to_list() == ["Dairy"]
    both = pl.concat([known, filled])
    assert merge_lanes(one(snacks), both, settings)["segment_id"].unique().to_list() == ["x-1"]
    assert merge_lanes(one(dairy), both, settings)["segment_id"].unique().to_list() == ["x-2"]


def test_without_a_map_the_error_says_what_to_build() -> None:
    with pytest.raises(ValueError, match=r"no rows for Snacks .* dbt build --select segment_map\+"):
        merge_lanes(one(chain([(1, 1, 0.0, 0.0)])), pl.DataFrame(schema=MAP_SCHEMA), Settings({}))


def test_new_segments_are_called_after_their_cells() -> None:
    assert lasting_ids({"1-1": ["a"], "2-x": ["b"]}, {}) == {"1-1": "1-1", "2-x": "2-x"}


def test_an_id_follows_the_stores_when_the_numbers_of_the_clusters_change() -> None:
    previous = {"a": "1-1", "b": "1-1", "c": "2-1", "d": "2-1"}
    members = {"7-1": ["a", "b", "new"], "1-1": ["c", "d"]}
    assert lasting_ids(members, previous) == {"7-1": "1-1", "1-1": "2-1"}


def test_a_split_keeps_the_id_where_most_of_the_stores_are() -> None:
    previous = dict.fromkeys("abcde", "1-1")
    assert lasting_ids({"1-1": ["a", "b"], "1-2": ["c", "d", "e"]}, previous) == {
        "1-2": "1-1",
        "1-1": "1-1b",
    }


def test_halves_are_new_segments() -> None:
    previous = dict.fromkeys("abcd", "1-1")
    assert set(lasting_ids({"1-1": ["a", "b"], "1-2": ["c", "d"]}, previous).values()) == {
        "1-1b",
        "1-2",
    }


def test_a_merger_of_equals_is_a_new_segment() -> None:
    previous = {"a": "1-1", "b": "1-1", "c": "2-1", "d": "2-1"}
    assert lasting_ids({"1-1": ["a", "b", "c", "d"]}, previous) == {"1-1": "1-1b"}


def test_an_id_that_was_in_use_is_not_given_to_other_stores() -> None:
    assert lasting_ids({"1-1": ["z"]}, {}, used=["1-1", "1-1b"]) == {"1-1": "1-1c"}


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["1-1", "1-2", "2-1"])),
    st.lists(st.sampled_from(["1-1", "1-2", "2-1", "2-2"]), min_size=8, max_size=8),
)
def test_no_two_segments_have_the_same_id(previous: dict[str, str], now: list[str]) -> None:
    members: dict[str, list[str]] = {}
    for store, cell in zip("abcdefgh", now, strict=True):
        members.setdefault(cell, []).append(store)
    ids = lasting_ids(members, previous)
    assert set(ids) == set(members)
    assert len(set(ids.values())) == len(ids)


#: Cells of 3, 3 and 1 stores, the last one dissolved.
SEVEN: Sequence[Store] = [
    *[(1, 1, 0.0, 0.0)] * 3,
    *[(2, 1, 4.0, 0.0)] * 3,
    (2, 2, 4.0, 4.0),
]


def second_map(
    later: ScoredStores, before: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, str], dict[str, str]]:
    """Maps of `SEVEN` and of later stores, and the segments of the stores by them."""
    settings = Settings({"min_segment_size": 2})
    first = map_cells(one(chain(SEVEN)), NOBODY, None, settings)
    segments = merge_lanes(one(chain(SEVEN)), first, settings)
    second = map_cells(
        one(later), as_before(segments) if before is None else before, first, settings
    )
    later_segments = merge_lanes(one(later), second, settings)
    return first, second, segment_of(segments), segment_of(later_segments)


def test_models_that_find_the_same_clusters_keep_map_ids_and_sizes() -> None:
    swapped: Sequence[Store] = [(3 - (store[0] or 0), *store[1:]) for store in SEVEN]
    for later in (chain(SEVEN, models=("m1", "e2")), chain(swapped, models=("m2", "e2"))):
        first, second, before, now = second_map(later)
        assert now == before
        assert second["map_id"].unique().to_list() == first["map_id"].unique().to_list()
        sizes = ["segment_id", "step", "n_cell_stores", "n_segment_stores", "min_segment_size"]
        assert second.select(sizes).sort(sizes).equals(first.select(sizes).sort(sizes))
        assert second["external_model_id"].unique().to_list() == ["e2"]


def test_new_data_under_the_same_clusters_moves_only_stores_whose_own_clusters_changed() -> None:
    stores: Sequence[Store] = [(1, 1, 0.0, 0.0)] * 20 + [(2, 1, 4.0, 0.0)] * 20
    settings = Settings({"min_segment_size": 20})
    first = map_cells(one(chain(stores)), NOBODY, None, settings)
    before = merge_lanes(one(chain(stores)), first, settings)
    later = chain([(2, 1, 4.0, 0.0), *stores[1:]], models=("m2", "e1"))
    second = map_cells(one(later), as_before(before), first, settings)
    now = segment_of(merge_lanes(one(later), second, settings))
    assert {store for store, segment in now.items() if segment != segment_of(before)[store]} == {
        "s00"
    }
    assert second["map_id"].unique().to_list() == first["map_id"].unique().to_list()


def test_other_clusters_fill_a_new_map() -> None:
    halves: Sequence[Store] = [
        (2 if number < 5 else 1, *store[1:]) for number, store in enumerate(SEVEN)
    ]
    first, second, _, _ = second_map(chain(halves, models=("m2", "e1")))
    assert set(second["map_id"]).isdisjoint(first["map_id"])


def test_a_cluster_that_is_new_or_has_no_store_any_more_fills_a_new_map() -> None:
    later = (
        chain([*SEVEN, (3, 1, 10.0, 0.0)], models=("m2", "e1")),
        chain(SEVEN[:6], models=("m1", "e2")),
    )
    for stores in later:
        first, second, _, _ = second_map(stores)
        assert not second.is_empty()
        assert set(second["map_id"]).isdisjoint(first["map_id"])


def test_the_map_of_a_single_store_is_kept() -> None:
    settings = Settings({"min_segment_size": 2})
    first = map_cells(one(chain(SEVEN[:1])), NOBODY, None, settings)
    before = as_before(merge_lanes(one(chain(SEVEN[:1])), first, settings))
    second = map_cells(one(chain(SEVEN[:1], models=("m2", "e2"))), before, first, settings)
    assert second["map_id"].to_list() == first["map_id"].to_list()


def test_a_history_that_the_map_does_not_explain_fills_a_new_map() -> None:
    settings = Settings({"min_segment_size": 2})
    first = map_cells(one(chain(SEVEN)), NOBODY, None, settings)
    segments = merge_lanes(one(chain(SEVEN)), first, settings)
    odd = as_before(segments).with_columns(segment_id=pl.lit("9-9"))
    _, second, _, _ = second_map(chain(SEVEN, models=("m1", "e2")), odd)
    assert set(second["map_id"]).isdisjoint(first["map_id"])


def test_a_map_of_an_earlier_version_has_no_map_id() -> None:
    settings = Settings({"min_segment_size": 2})
    known = map_cells(one(chain(SEVEN)), NOBODY, None, settings)
    earlier = known.drop("map_id")
    assert map_cells(one(chain(SEVEN)), NOBODY, earlier, settings).is_empty()


@pytest.mark.parametrize(
    ("before", "now", "counterparts"),
    [
        ([1, 1, 2, 2], [2, 2, 1, 1], {1: 2, 2: 1}),
        ([None, None, 1], [1, 1, None], {None: 1, 1: None}),
        ([1] * 20 + [2] * 20, [1] * 18 + [2] * 22, {1: 1, 2: 2}),
        ([1] * 20 + [2] * 20, [1] * 16 + [2] * 24, None),
        ([1, 1, 1, 1], [1, 1, 2, 2], None),
        ([1, 1, 2, 2], [1, 1, 1, 1], None),
        ([], [], {}),
    ],
)
def test_clusters_are_the_same_if_their_stores_are(
    before: list[int | None],
    now: list[int | None],
    counterparts: dict[int | None, int | None] | None,
) -> None:
    assert same_clusters(before, now) == counterparts


def test_a_new_map_keeps_the_ids_of_segments_whose_stores_stay_together() -> None:
    # the store of the dissolved cell becomes a cluster of its own with others
    others: Sequence[Store] = [*SEVEN[:6], *[(3, 2, 10.0, 4.0)] * 3]
    _, _, before, now = second_map(chain(others, models=("m2", "e2")))
    assert {store: now[store] for store in list(before)[:6]} == {
        store: before[store] for store in list(before)[:6]
    }
    assert now["s08"] == "3-2"


def test_a_small_cell_gives_up_its_surroundings_rather_than_its_sales_group() -> None:
    # the cell 2-2 is as near to 1-2 as to 2-1
    stores: Sequence[Store] = [
        *[(1, 2, 0.0, 4.0)] * 6,
        *[(2, 1, 4.0, 0.0)] * 6,
        *[(2, 2, 4.0, 4.0)] * 2,
    ]
    frame = merged(chain(stores), 5)
    assert frame["segment_id"].to_list() == ["1-2"] * 6 + ["2-1"] * 8


#: Category, id, internal and external cluster, internal and external component scores.
FullStore = tuple[str, str, int | None, int | None, list[float], list[float]]


def scored_frames(
    stores: Sequence[FullStore],
    centers: Mapping[int, Sequence[float]] | None = None,
    inertia: float | None = 24.0,
) -> list[ScoredStores]:
    """Score stores against models whose clusters have four training stores each."""
    centers = (
        {cluster: [center] for cluster, center in CENTERS.items()} if centers is None else centers
    )
    keys = {"scope": pl.String, "store_id": pl.String}
    internal = [store for store in stores if store[2] is not None]
    external = [*{store[1]: store for store in stores if store[3] is not None}.values()]
    clusters: dict[Lane, pl.DataFrame] = {
        "internal": pl.DataFrame(
            [store[:3] for store in internal], schema={**keys, "cluster": pl.Int32}, orient="row"
        ),
        "external": pl.DataFrame(
            [("external", store[1], store[3]) for store in external],
            schema={**keys, "cluster": pl.Int32},
            orient="row",
        ),
    }
    components: dict[Lane, pl.DataFrame] = {
        "internal": pl.DataFrame(
            [(store[0], store[1], store[4]) for store in internal],
            schema={**keys, "z": pl.List(pl.Float64)},
            orient="row",
        ),
        "external": pl.DataFrame(
            [("external", store[1], store[5]) for store in external],
            schema={**keys, "z": pl.List(pl.Float64)},
            orient="row",
        ),
    }
    categories = sorted({store[0] for store in internal})
    models = [("internal", category, f"m {category}") for category in categories]
    models += [("external", "external", "e1")] if external else []
    model_schema = {"lane": pl.String, "scope": pl.String, "model_id": pl.String}
    return list(
        scored_stores(
            pl.DataFrame(
                [store[:2] for store in stores],
                schema={"category": pl.String, "store_id": pl.String},
                orient="row",
            ),
            clusters,
            components,
            pl.DataFrame(
                [
                    (*model, cluster, component, coordinate, 4)
                    for model in models
                    for cluster, center in centers.items()
                    for component, coordinate in reversed([*enumerate(center, start=1)])
                ],
                schema={
                    **model_schema,
                    "cluster": pl.Int32,
                    "component": pl.Int32,
                    "coordinate": pl.Float64,
                    "n_stores": pl.Int64,
                },
                orient="row",
            ),
            pl.DataFrame(
                [
                    row
                    for model in models
                    for row in ((*model, inertia, True), (*model, 99.0, False))
                ],
                schema={**model_schema, "inertia": pl.Float64, "is_chosen": pl.Boolean},
                orient="row",
            ),
            pl.DataFrame(models, schema=model_schema, orient="row"),
        )
    )


def frames(stores: Sequence[FullStore]) -> pl.DataFrame:
    """Merge stores."""
    scored = scored_frames(stores)
    settings = Settings({"min_segment_size": 2})
    return merge_lanes(iter(scored), map_cells(iter(scored), NOBODY, None, settings), settings)


def test_every_store_appears_in_every_category_it_sells_in_with_and_without_lanes() -> None:
    frame = frames(
        [
            ("Snacks", "s2", 1, None, [0.0], []),
            ("Snacks", "s1", 1, 2, [1.0], [5.0]),
            ("Dairy", "s3", None, 1, [], [4.0]),
            ("Dairy", "s4", None, None, [], []),
        ]
    )
    assert frame.schema == MERGED_SCHEMA
    assert frame.select("category", "store_id", "cell_id", "segment_id").rows() == [
        ("Dairy", "s3", "x-1", "x-x"),
        ("Dairy", "s4", "x-x", "x-x"),
        ("Snacks", "s1", "1-2", "1-x"),
        ("Snacks", "s2", "1-x", "1-x"),
    ]


def test_a_distance_is_in_units_of_the_spread_of_the_training_stores() -> None:
    # 12 training stores with a sum of squares of 24: the unit of a squared distance is 2
    frame = frames(
        [("A", f"s{n}", 1, 1, [0.0], [0.0]) for n in range(3)] + [("A", "s9", 2, 1, [3.0], [1.0])]
    )
    row = frame.row(3, named=True)
    assert row["into_cell"] == "1-1"
    assert row["distance"] == pytest.approx(math.sqrt((9.0 + 1.0) / 2))


def test_every_category_has_its_own_internal_model_and_all_share_the_external_one() -> None:
    scored = scored_frames(
        [
            ("Dairy", "s3", None, 1, [], [4.0]),
            ("Fruit", "s1", 1, 2, [1.0], [5.0]),
            ("Snacks", "s1", 2, 2, [1.0], [5.0]),
        ]
    )
    assert [(one.category, one.model_ids) for one in scored] == [
        ("Dairy", ("none", "e1")),
        ("Fruit", ("m Fruit", "e1")),
        ("Snacks", ("m Snacks", "e1")),
    ]
    (alone,) = scored_frames([("Fruit", "s1", 1, None, [1.0], [])])
    assert alone.model_ids == ("m Fruit", "none")


@pytest.mark.parametrize(("inertia", "unit"), [(96.0, 8.0), (0.0, 1.0), (None, 1.0)])
def test_distances_are_those_to_the_centroids_of_both_lanes(
    inertia: float | None, unit: float
) -> None:
    centers = {2: [5.0, -1.0], 1: [0.0, 2.0], 3: [-4.0, 7.0]}
    places = {"s1": ([1.0, 1.0], [6.0, -2.0]), "s2": ([5.0, 0.0], [0.5, 3.0])}
    (scored,) = scored_frames(
        [("A", store, 1, 2, *place) for store, place in places.items()], centers, inertia
    )
    cells = [(1, 2), (3, 1), (2, 2)]
    expected = [
        [
            math.sqrt(
                (math.dist(inner, centers[one]) ** 2 + math.dist(outer, centers[other]) ** 2) / unit
            )
            for one, other in cells
        ]
        for inner, outer in places.values()
    ]
    np.testing.assert_allclose(scored.distances(cells), expected)


def test_without_any_store_there_is_an_empty_table_of_the_same_columns() -> None:
    frame = frames([])
    assert frame.is_empty()
    assert frame.schema == MERGED_SCHEMA


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
