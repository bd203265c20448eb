from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from segmentation.fitting.labels import match_clusters, order_clusters

#: Raw labels of the new model, numbers that the model before gave to the same stores.
PAIRS = st.integers(1, 4).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(
            st.tuples(st.integers(0, k - 1), st.sampled_from([1, 2, 5, 9])), min_size=1, max_size=40
        ),
    )
)


def stores_that_keep_their_number(new: list[int], previous: list[int], lasting: list[int]) -> int:
    """Count them, one store after the other."""
    return sum(lasting[cluster] == number for cluster, number in zip(new, previous, strict=True))


def best_by_brute_force(new: list[int], previous: list[int], k: int) -> int:
    """Most stores that can keep their number, over all one-to-one assignments."""
    numbers = [*sorted(set(previous)), *[-1 - spare for spare in range(k)]]
    return max(
        stores_that_keep_their_number(new, previous, list(assignment))
        for assignment in permutations(numbers, k)
    )


def match(new: list[int], previous: list[int] | None, k: int, highest_used: int) -> list[int]:
    """Call the function with lists."""
    numbers: list[int] = match_clusters(
        np.array(new, dtype=np.int64),
        None if previous is None else np.array(previous, dtype=np.int64),
        k,
        highest_used,
    ).tolist()
    return numbers


@given(
    st.lists(st.integers(0, 4), max_size=40),
    st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=5, max_size=5),
)
def test_clusters_stand_from_large_to_small_and_then_by_their_centroids(
    labels: list[int], centers: list[tuple[int, int]]
) -> None:
    expected = sorted(range(5), key=lambda cluster: (-labels.count(cluster), centers[cluster]))
    order = order_clusters(np.array(labels, dtype=np.int64), np.array(centers, dtype=np.float64))
    assert order.tolist() == expected


@given(st.permutations(range(4)))
def test_the_order_of_clusters_does_not_depend_on_the_numbers_of_the_estimator(
    names: list[int],
) -> None:
    labels = np.repeat([0, 1, 2, 3], [3, 7, 3, 5])
    centers = np.array([[2.0, 0.0], [9.0, 9.0], [1.0, 5.0], [4.0, 4.0]])
    renamed = np.empty_like(centers)
    renamed[names] = centers
    order = order_clusters(np.array(names)[labels], renamed)
    np.testing.assert_array_equal(renamed[order], centers[[1, 3, 2, 0]])


def test_one_cluster_without_components_can_be_ordered() -> None:
    assert order_clusters(np.zeros(5, dtype=np.int64), np.empty((1, 0))).tolist() == [0]


def test_the_first_model_of_a_scope_numbers_its_clusters_from_one() -> None:
    assert match([0, 1, 2], None, 3, 0) == [1, 2, 3]


def test_a_model_that_shares_no_training_store_with_the_one_before_takes_fresh_numbers() -> None:
    assert match([], [], 2, 4) == [5, 6]
    assert match([0, 1], None, 2, 4) == [5, 6]


def test_the_same_groups_in_another_order_keep_their_numbers() -> None:
    assert match([0, 0, 0, 1, 1, 2], [7, 7, 7, 2, 2, 4], 3, 7) == [7, 2, 4]


def test_a_new_group_without_overlap_gets_a_number_that_was_never_used() -> None:
    # number 3 existed long ago and is no longer in use: it must not be used again
    assert match([0, 0, 1, 1], [1, 1, 1, 1], 2, 3) == [1, 4]


def test_of_two_halves_the_larger_one_keeps_the_number() -> None:
    assert match([0, 1, 1, 0, 1], [1, 1, 1, 1, 1], 2, 1) == [2, 1]


def test_of_two_merged_groups_the_number_of_the_larger_one_lives_on() -> None:
    assert match([0, 0, 0, 0, 0], [3, 3, 1, 1, 1], 1, 3) == [1]


def test_numbers_are_chosen_for_all_clusters_together_and_not_one_after_the_other() -> None:
    # cluster 0 prefers number 1, but giving it 2 lets more stores keep their number
    new = [0] * 5 + [0] * 4 + [1] * 5
    previous = [1] * 5 + [2] * 4 + [1] * 5
    assert match(new, previous, 2, 2) == [2, 1]


@given(PAIRS)
def test_as_many_stores_as_possible_keep_their_number(
    pair: tuple[int, list[tuple[int, int]]],
) -> None:
    k, stores = pair
    new, previous = [store[0] for store in stores], [store[1] for store in stores]
    lasting = match(new, previous, k, 9)
    kept = stores_that_keep_their_number(new, previous, lasting)
    assert kept == best_by_brute_force(new, previous, k)


@given(PAIRS, st.integers(9, 30))
def test_numbers_are_unique_and_those_not_shared_with_the_past_are_fresh(
    pair: tuple[int, list[tuple[int, int]]], highest_used: int
) -> None:
    k, stores = pair
    new, previous = [store[0] for store in stores], [store[1] for store in stores]
    lasting = match(new, previous, k, highest_used)
    assert len(set(lasting)) == k
    shared = set(stores)
    fresh = [n for cluster, n in enumerate(lasting) if (cluster, n) not in shared]
    assert fresh == list(range(highest_used + 1, highest_used + 1 + len(fresh)))


@given(PAIRS, st.permutations([1, 2, 5, 9]))
def test_renaming_the_past_renames_the_numbers_where_only_one_match_is_the_best(
    pair: tuple[int, list[tuple[int, int]]], other: list[int]
) -> None:
    k, stores = pair
    new, previous = [store[0] for store in stores], [store[1] for store in stores]
    numbers = [*sorted(set(previous)), *[-1 - spare for spare in range(k)]]
    best = best_by_brute_force(new, previous, k)
    matches = {
        tuple(number if (cluster, number) in stores else 0 for cluster, number in enumerate(match_))
        for match_ in permutations(numbers, k)
        if stores_that_keep_their_number(new, previous, list(match_)) == best
    }
    assume(len(matches) == 1)
    rename = dict(zip([1, 2, 5, 9], other, strict=True))
    expected = [rename.get(number, 10) for number in matches.pop()]
    after = match(new, [rename[number] for number in previous], k, 9)
    assert [min(number, 10) for number in after] == expected


@given(st.integers(1, 6), st.integers(1, 6), st.randoms(use_true_random=False))
def test_fitting_the_same_groups_again_changes_no_number(
    k: int, spare: int, random: object
) -> None:
    numbers = list(range(1, k + spare + 1))
    random.shuffle(numbers)  # type: ignore[attr-defined]
    lasting = numbers[:k]
    new = [cluster for cluster in range(k) for _ in range(k - cluster)]
    assert match(new, [lasting[cluster] for cluster in new], k, k + spare) == lasting
