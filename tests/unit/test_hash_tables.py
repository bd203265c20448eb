from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.hash_tables import AVERAGE_PART, Hashes, repeated

LARGEST = 2**64 - 1


def counted(hashes: Hashes) -> Hashes:
    """What comes more than once, by NumPy's sort."""
    values, times = np.unique(hashes, return_counts=True)
    return values[times > 1]


def spread(n_hashes: int) -> Hashes:
    """Hashes of which some come twice or three times."""
    drawn = np.random.default_rng(7).integers(LARGEST, size=n_hashes, dtype=np.uint64)
    drawn[::50] = drawn[1]
    drawn[3::40] = drawn[2::40][: len(drawn[3::40])]
    return drawn


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("expected", [1, 1_000, 5 * AVERAGE_PART, 50 * AVERAGE_PART])
def test_neither_threads_nor_the_number_expected_change_what_is_found(
    expected: int, n_threads: int
) -> None:
    hashes = spread(5 * AVERAGE_PART)
    found = repeated(np.array_split(hashes, 7), expected, n_threads)
    np.testing.assert_array_equal(found, counted(hashes))


def test_a_hash_that_fills_its_part_hides_no_other_one() -> None:
    hashes = spread(AVERAGE_PART)
    hot = np.full(2 * AVERAGE_PART, hashes[0])
    both = np.concatenate([hot[1:], hashes, hot[:1]])
    np.testing.assert_array_equal(repeated(np.array_split(both, 3), len(both), 2), counted(both))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0, 1, 2**62, 2**63 - 1, 2**63, LARGEST]) | st.integers(0, LARGEST)),
    st.integers(1, 4),
)
def test_any_number_may_be_a_hash(numbers: list[int], n_batches: int) -> None:
    hashes = np.array(numbers, dtype=np.uint64)
    found = repeated(np.array_split(hashes, n_batches), len(hashes), 2)
    np.testing.assert_array_equal(found, counted(hashes))


def test_no_batch_means_no_repetition() -> None:
    assert repeated([], 0, 2).dtype == np.uint64
    assert repeated([], 0, 2).size == 0
