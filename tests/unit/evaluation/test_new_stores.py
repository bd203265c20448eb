from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.new_stores import (
    CALIBRATION_SCHEMA,
    NEW_MIX_SCHEMA,
    NEW_STORES_SCHEMA,
    History,
    expected_mix,
    new_stores,
    sharpened,
)
from segmentation.evaluation.simulation import simulated_chain
from segmentation.features.vectors import Matrix, closure


def history(pull: float, n_stores: int = 150, seed: int = 0) -> tuple[History, Matrix]:
    """Three segments, and surroundings that differ between them by `pull` standard deviations."""
    whole, labels = simulated_chain(
        n_stores=n_stores, n_groups=3, n_periods=6, group_spread=0.6, store_spread=0.1, seed=seed
    )
    generator = np.random.default_rng(seed)
    centers = np.eye(3, 4) * pull
    surroundings = centers[labels] + generator.normal(0, 1, (n_stores, 4))
    surroundings[::10, 3] = np.nan
    segments = tuple(f"segment {label}" for label in labels)
    known = History(
        whole.stores, surroundings, segments, closure(whole.totals()), whole.need_states
    )
    return known, centers


def test_a_store_in_typical_surroundings_gets_the_segment_of_its_neighbors() -> None:
    known, centers = history(pull=4.0)
    found = new_stores(known, "Tea", ["new 0", "new 1", "new 2"], centers, seed=0)
    assert found.segments.schema == NEW_STORES_SCHEMA
    best = found.segments.sort("probability").group_by("store_id", maintain_order=True).last()
    assert dict(best.select("store_id", "segment_id").iter_rows()) == {
        f"new {number}": f"segment {number}" for number in range(3)
    }
    segment_of = dict(zip(known.stores, known.segments, strict=True))
    for segment, like in found.segments.select("segment_id", "like_stores").iter_rows():
        assert [segment_of[store] for store in like] == [segment] * 5


def test_probabilities_sum_to_one() -> None:
    known, centers = history(pull=1.0)
    found = new_stores(known, "Tea", ["a", "b", "c"], centers, seed=0).segments
    assert found.group_by("store_id").agg(pl.col("probability").sum())[
        "probability"
    ].to_list() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("pull", [1.5, 3.0])
def test_probabilities_are_calibrated_for_stores_left_out(pull: float) -> None:
    known, centers = history(pull=pull, n_stores=240)
    (row,) = new_stores(known, "Tea", ["a"], centers[:1], seed=0).calibration.to_dicts()
    assert row["uses_surroundings"]
    assert row["mean_top_probability"] == pytest.approx(row["top_is_right"], abs=0.06)
    assert row["log_loss"] < row["log_loss_of_shares"]


@pytest.mark.parametrize("pull", [0.0, 3.0])
def test_the_interval_covers_the_mix_of_stores_left_out(pull: float) -> None:
    known, centers = history(pull=pull)
    found = new_stores(known, "Tea", ["a"], centers[:1], seed=0)
    assert found.mix.schema == NEW_MIX_SCHEMA
    assert 0.91 <= found.calibration["interval_coverage"].item() <= 0.99


def test_a_telling_location_narrows_the_interval() -> None:
    widths = []
    for pull in (0.0, 5.0):
        known, centers = history(pull=pull)
        mix = new_stores(known, "Tea", ["a"], centers[:1], seed=0).mix
        widths.append(float((mix["share_high"] - mix["share_low"]).sum()))
    assert widths[1] < 0.7 * widths[0]


def test_surroundings_without_a_message_give_the_shares_of_the_segments() -> None:
    known, centers = history(pull=0.0)
    found = new_stores(known, "Tea", ["a"], centers[:1], seed=0)
    assert found.calibration.schema == CALIBRATION_SCHEMA
    assert found.segments["probability"].to_list() == pytest.approx([1 / 3] * 3)
    assert "surroundings do not tell the segment" in found.calibration["explanation"][0]


def test_the_expected_mix_is_the_mean_of_the_segments() -> None:
    known, _ = history(pull=0.0)
    labels = np.array([int(name[-1]) for name in known.segments])
    probabilities = np.array([[0.2, 0.3, 0.5]])
    mean, low, high = expected_mix(probabilities, labels, known.shares)
    means = np.stack([known.shares[labels == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(mean, probabilities @ means)
    assert (low <= mean).all()
    assert (mean <= high).all()


def test_a_power_below_one_makes_probabilities_more_cautious() -> None:
    cautious = sharpened(np.array([[0.9, 0.1]]), 0.5)
    assert 0.5 < cautious[0, 0] < 0.9
    np.testing.assert_allclose(sharpened(np.array([[0.9, 0.1]]), 1.0), [[0.9, 0.1]])


def probabilities(found: pl.DataFrame, store: str) -> list[float]:
    return found.filter(pl.col("store_id") == store)["probability"].to_list()


def test_a_store_of_which_nothing_is_known_gets_the_shares_of_the_segments() -> None:
    known, centers = history(pull=4.0)
    kept = [row for row, segment in enumerate(known.segments) if segment != "segment 2" or row < 60]
    uneven = History(
        tuple(known.stores[row] for row in kept),
        known.surroundings[kept],
        tuple(known.segments[row] for row in kept),
        known.shares[kept],
        known.need_states,
    )
    new = np.vstack([np.full(4, np.nan), centers[0]])
    found = new_stores(uneven, "Tea", ["unknown", "new"], new, seed=0).segments
    shares = found.filter(pl.col("store_id") == "unknown")["share_of_stores"].to_list()
    assert min(shares) < 0.2
    assert probabilities(found, "unknown") == pytest.approx(shares, abs=0.03)
    assert max(probabilities(found, "new")) > 0.9
    like = dict(found.group_by("store_id").agg(pl.col("like_stores").list.len().max()).iter_rows())
    assert like == {"unknown": 0, "new": 5}


def test_a_missing_value_makes_probabilities_more_cautious() -> None:
    known, centers = history(pull=4.0)
    partly = np.vstack([centers[0], centers[0]])
    partly[1, 0] = np.nan
    found = new_stores(known, "Tea", ["full", "partly"], partly, seed=0).segments
    assert max(probabilities(found, "partly")) < max(probabilities(found, "full")) - 0.1


def test_a_value_beyond_the_history_counts_as_the_nearest_known_one() -> None:
    known, centers = history(pull=2.0)
    largest = centers[:1].copy()
    largest[0, 0] = np.nanmax(known.surroundings[:, 0])
    wrong = largest.copy()
    wrong[0, 0] = 1e9
    found = new_stores(known, "Tea", ["a", "b"], np.vstack([largest, wrong]), seed=0).segments
    assert probabilities(found, "a") == pytest.approx(probabilities(found, "b"))


def test_a_chain_without_sales_places_no_new_store() -> None:
    nothing = History((), np.zeros((0, 4)), (), np.zeros((0, 0)), ())
    found = new_stores(nothing, "All stores", ["a"], np.zeros((1, 4)), seed=0)
    assert found.calibration["explanation"].to_list() == [
        "All stores: new stores cannot be placed: no store has both sales and surroundings"
    ]


def test_too_little_history_is_explained() -> None:
    known, centers = history(pull=1.0, n_stores=21)
    few = new_stores(known, "Tea", ["a"], centers[:1], seed=0)
    assert few.segments.is_empty()
    assert few.calibration["explanation"][0].startswith(
        "Tea: new stores cannot be placed: 0 stores in 0 segments of at least 8"
    )
