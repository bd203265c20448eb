from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_score,
)

from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.cluster_search import (
    ALPHA,
    ALPHA_IF_DOUBTFUL,
    CANDIDATE_RESTARTS,
    RESAMPLE_RESTARTS,
    RULES,
    SEARCH_ROWS,
    TESTED,
    Candidate,
    SearchResult,
    bootstrap_jaccard,
    choose_clusters,
)
from segmentation.fitting.silhouettes import mean_silhouettes
from segmentation.settings import ScopeSettings

from ..helpers import FAR_CENTERS, blobs, kmeans, scope_settings

#: Of 20 clouds without clusters, how many may still be split (measured: none of 60).
FALSE_POSITIVES_ALLOWED = 1


def search(z: Matrix, **given_settings: Any) -> SearchResult:
    """Search by vote with few resamples and references unless a test asks for more."""
    quick = {"selection": "vote", "max_clusters": 5, "stability_resamples": 6, "gap_references": 10}
    return choose_clusters(z, scope_settings(**{**quick, **given_settings}), kmeans)


def naive_stability(z: Matrix, labels: Labels, k: int, resamples: int, seed: int) -> list[float]:
    """Hennig's bootstrap with sets and loops, over the same draws."""
    random = np.random.default_rng(seed)
    similarities: list[list[float]] = [[] for _ in range(k)]
    for resample in range(resamples):
        drawn = sorted(random.integers(0, len(z), size=len(z)).tolist())
        again = kmeans(k, RESAMPLE_RESTARTS, seed + resample + 1).fit(z[drawn]).labels_.tolist()
        new = [
            {row for row, label in zip(drawn, again, strict=True) if label == c} for c in range(k)
        ]
        for cluster in range(k):
            old = {row for row in drawn if labels[row] == cluster}
            if old:
                similarities[cluster].append(max(len(old & one) / len(old | one) for one in new))
    return [sum(values) / len(values) if values else 0.0 for values in similarities]


def naive_gap(z: Matrix, k: int, references: int, seed: int) -> tuple[float, float]:
    """Gap(k) - Gap(1) and s_k as in sections 3 and 4 of Tibshirani et al. (2001)."""
    random = np.random.default_rng(seed)
    log_one, log_k = [], []
    for reference in range(references):
        uniform = random.uniform(z.min(axis=0), z.max(axis=0), size=z.shape)
        log_one.append(np.log(kmeans(1, 1, 0).fit(uniform).inertia_))
        log_k.append(
            np.log(kmeans(k, RESAMPLE_RESTARTS, seed + reference + 1).fit(uniform).inertia_)
        )
    gap_one = np.mean(log_one) - np.log(kmeans(1, 1, 0).fit(z).inertia_)
    gap_k = np.mean(log_k) - np.log(kmeans(k, CANDIDATE_RESTARTS, seed).fit(z).inertia_)
    return float(gap_k - gap_one), float(np.std(log_k) * np.sqrt(1 + 1 / references))


def test_three_clouds_far_apart_are_found_and_every_candidate_is_listed() -> None:
    sizes = [30, 25, 20]
    z = blobs(sizes, FAR_CENTERS)
    result = search(z)
    assert result.chosen is not None
    assert result.chosen.k == 3
    assert [candidate.k for candidate in result.candidates] == [2, 3, 4, 5]
    planted = np.repeat([0, 1, 2], sizes)
    pairs = set(zip(planted.tolist(), result.chosen.model.labels_.tolist(), strict=True))
    assert len(pairs) == 3  # one cluster for each cloud
    assert result.reason == "k = 3 chosen: best by rank sum of the three indices"
    assert result.chosen.verdict == "chosen: best by rank sum of the three indices"
    assert all(candidate.verdict for candidate in result.candidates)


def test_the_figures_of_every_candidate_are_those_of_scikit_learn() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS, spread=3.0)
    for candidate in search(z, seed=7).candidates:
        model = kmeans(candidate.k, CANDIDATE_RESTARTS, 7).fit(z)
        labels = model.labels_
        assert candidate.silhouette == pytest.approx(silhouette_score(z, labels))
        assert candidate.calinski_harabasz == pytest.approx(calinski_harabasz_score(z, labels))
        assert candidate.davies_bouldin == pytest.approx(davies_bouldin_score(z, labels))
        assert candidate.inertia == pytest.approx(model.inertia_)
        assert candidate.smallest_cluster == min(np.bincount(labels))
        stability = naive_stability(z, labels, candidate.k, 6, 7)
        assert candidate.stability == pytest.approx(np.mean(stability))
        assert candidate.least_stable_cluster == pytest.approx(min(stability))


def test_the_vote_is_the_sum_of_the_three_ranks_among_the_candidates_that_pass() -> None:
    result = search(blobs([30, 25, 20], FAR_CENTERS, spread=4.0), stability_threshold=0)
    candidates = result.candidates
    for one in candidates:
        rank_sum = (
            3
            + sum(other.silhouette > one.silhouette for other in candidates)
            + sum(other.calinski_harabasz > one.calinski_harabasz for other in candidates)
            + sum(other.davies_bouldin < one.davies_bouldin for other in candidates)
        )
        assert one.rank_sum == rank_sum
    best = min(candidates, key=lambda candidate: (candidate.rank_sum or 0, candidate.k))
    assert "best by rank sum" in best.verdict


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 4))
def test_stability_equals_hennigs_bootstrap_written_with_sets(seed: int, k: int) -> None:
    z = np.random.default_rng(seed).normal(size=(14, 2))
    labels = kmeans(k, 1, seed).fit(z).labels_
    np.testing.assert_allclose(
        bootstrap_jaccard({k: z}, {k: labels}, 3, seed, kmeans)[k],
        naive_stability(z, labels, k, 3, seed),
        rtol=1e-12,
    )


def test_clusters_far_apart_are_found_again_in_every_resample() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    labels = kmeans(3, 10, 0).fit(z).labels_
    np.testing.assert_array_equal(bootstrap_jaccard({3: z}, {3: labels}, 10, 1, kmeans)[3], 1.0)


def test_cutting_one_cloud_into_many_parts_is_not_stable() -> None:
    z = blobs([80], np.zeros((1, 4)))
    labels = kmeans(6, 10, 0).fit(z).labels_
    assert bootstrap_jaccard({6: z}, {6: labels}, 10, 1, kmeans)[6].mean() < 0.6


def test_a_cluster_that_no_resample_contains_has_no_stability() -> None:
    z = blobs([30, 30], FAR_CENTERS)
    labels = np.repeat([0, 1], 30)
    stability = bootstrap_jaccard({3: z}, {3: labels}, 3, 0, kmeans)[3]
    assert stability[2] == 0.0


def silhouette(z: Matrix, labels: Labels, sample: int, seed: int) -> float:
    """The mean silhouette of one labeling."""
    (value,) = mean_silhouettes(z, [labels], sample, seed)
    return value


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 4))
def test_silhouettes_of_many_labelings_are_those_of_scikit_learn(
    seed: int, rows: int, components: int
) -> None:
    random = np.random.default_rng(seed)
    z = random.integers(0, 4, size=(rows, components)).astype(float)  # with equal rows
    labelings = [random.integers(0, k, size=rows) for k in (1, 2, 3, 7)]
    for labels, value in zip(labelings, mean_silhouettes(z, labelings, rows, 0), strict=True):
        if 2 <= len(np.unique(labels)) < rows:
            assert value == pytest.approx(silhouette_score(z, labels), abs=1e-7)
        elif len(np.unique(labels)) < 2:
            assert value == 0.0


def test_more_rows_than_a_block_of_distances_change_nothing() -> None:
    z = blobs([700, 800, 300], FAR_CENTERS, spread=4.0)
    labels = kmeans(3, 1, 0).fit(z).labels_
    expected = pytest.approx(silhouette_score(z, labels), abs=1e-12)
    assert silhouette(z, labels, len(z), 0) == expected
    assert mean_silhouettes(z, [labels], len(z), 0, n_jobs=2) == [silhouette(z, labels, len(z), 0)]


def test_the_silhouette_is_exact_up_to_the_sample_size() -> None:
    z = blobs([60, 60], FAR_CENTERS, spread=4.0)
    labels = kmeans(2, 3, 0).fit(z).labels_
    exact = pytest.approx(silhouette_score(z, labels), abs=1e-12)
    assert silhouette(z, labels, 120, 0) == exact
    assert silhouette(z, labels, 119, 0) != exact


def test_a_sampled_silhouette_is_fixed_by_the_seed_and_close_to_the_exact_one() -> None:
    z = blobs([600, 600], FAR_CENTERS, spread=4.0)
    labels = kmeans(2, 3, 0).fit(z).labels_
    sampled = silhouette(z, labels, 400, 5)
    assert sampled == silhouette(z, labels, 400, 5)
    assert sampled != silhouette(z, labels, 400, 6)
    assert sampled == pytest.approx(silhouette_score(z, labels), abs=0.05)


def test_a_sample_that_misses_all_but_one_cluster_has_no_silhouette() -> None:
    z = blobs([5000, 1], FAR_CENTERS)
    labels = np.repeat([0, 1], [5000, 1])
    assert silhouette(z, labels, 100, 0) == 0.0


@pytest.mark.parametrize("dimensions", [2, 4, 8])
def test_one_cloud_is_seldom_split_even_without_the_stability_gate(dimensions: int) -> None:
    split = [
        search(
            blobs([60], np.zeros((1, dimensions)), seed=seed),
            seed=seed,
            max_clusters=3,
            stability_threshold=0,
            stability_resamples=2,
            gap_references=8,
        ).chosen
        is not None
        for seed in range(20)
    ]
    assert sum(split) <= FALSE_POSITIVES_ALLOWED


def test_one_cloud_keeps_its_candidates_and_the_best_of_them_says_why_it_was_not_taken() -> None:
    result = search(blobs([80], np.zeros((1, 2)), seed=3), stability_threshold=0)
    assert result.chosen is None
    assert "one cluster explains the data as well" in result.reason
    best = [candidate for candidate in result.candidates if candidate.gap is not None]
    assert len(best) == 1
    assert best[0].verdict == f"best of the candidates, but {result.reason}"
    assert best[0].gap_standard_error is not None
    assert (best[0].gap or 0.0) <= best[0].gap_standard_error


@pytest.mark.parametrize("spread", [1.0, 4.0, 8.0])
def test_the_gap_of_the_winner_is_that_of_tibshirani_and_decides(spread: float) -> None:
    z = blobs([30, 25, 20], FAR_CENTERS, spread=spread)
    result = search(z, stability_threshold=0, seed=11)
    (winner,) = [candidate for candidate in result.candidates if candidate.gap is not None]
    gap, error = naive_gap(z, winner.k, 10, 11)
    assert winner.gap == pytest.approx(gap, rel=1e-9)
    assert winner.gap_standard_error == pytest.approx(error, rel=1e-9)
    assert (result.chosen is not None) == (gap > error)


def test_a_candidate_with_a_cluster_that_is_too_small_is_rejected_with_its_size() -> None:
    z = blobs([40, 30, 4], FAR_CENTERS)
    three = search(z, min_cluster_size=5).candidates[1]
    assert three.verdict == "rejected: smallest cluster has 4 stores, fewer than 5"
    assert three.rank_sum is None
    accepted = search(z, min_cluster_size=4).chosen
    assert accepted is not None
    assert accepted.k == 3


def test_an_unstable_candidate_is_rejected_with_its_stability() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    result = search(z, stability_threshold=0.99)
    rejected = [candidate for candidate in result.candidates if candidate.stability < 0.99]
    assert rejected
    for candidate in rejected:
        assert candidate.verdict == (f"rejected: stability {candidate.stability:.2f} is below 0.99")
    assert result.chosen is not None
    assert result.chosen.k == 3


def test_if_no_candidate_passes_the_gates_there_is_no_winner_and_the_reason_names_the_gates() -> (
    None
):
    result = search(blobs([80], np.zeros((1, 6))), stability_threshold=1, min_clusters=3)
    assert result.chosen is None
    assert result.reason == (
        "no k from 3 to 5 passes the gates (smallest cluster at least 5 stores, "
        "stability at least 1)"
    )
    assert [candidate.k for candidate in result.candidates] == [3, 4, 5]
    assert all("rejected" in candidate.verdict for candidate in result.candidates)


@pytest.mark.parametrize("selection", ["silhouette", "calinski_harabasz", "davies_bouldin"])
def test_an_index_by_name_takes_its_own_best_value(selection: str) -> None:
    z = blobs([20, 20, 20], FAR_CENTERS, spread=4.0)
    result = search(z, selection=selection, stability_threshold=0, min_cluster_size=1)
    sign = 1.0 if selection == "davies_bouldin" else -1.0
    first, *others = sorted(
        result.candidates, key=lambda candidate: sign * getattr(candidate, selection)
    )
    assert first.k == (3 if selection == "calinski_harabasz" else 2)  # the indices disagree here
    assert f"best by {selection}" in first.verdict
    assert [candidate.verdict for candidate in others] == [
        f"place {place} by {selection}, behind k = {first.k}" for place in (2, 3, 4)
    ]


def test_every_value_of_the_setting_is_a_rule() -> None:
    values = get_args(ScopeSettings.model_fields["selection"].annotation)
    assert {*RULES, "mixture"} == {*values}


def test_a_tie_of_the_vote_goes_to_the_smaller_k() -> None:
    z = blobs([20, 20, 20], FAR_CENTERS, spread=3.0, seed=7)
    two, three, *others = search(z, stability_threshold=0, min_cluster_size=1).candidates
    assert two.rank_sum == three.rank_sum
    assert all((one.rank_sum or 0) > (two.rank_sum or 0) for one in others)
    assert "best by rank sum" in two.verdict
    assert three.verdict == "place 2 by rank sum of the three indices, behind k = 2"


@pytest.mark.parametrize(
    ("stores", "given_settings", "reason"),
    [
        (9, {}, "9 training stores (9 different ones) are too few for 2 clusters of at least 5"),
        (
            14,
            {"min_clusters": 3},
            "14 training stores (14 different ones) are too few for 3 clusters of at least 5",
        ),
        (
            1,
            {"min_cluster_size": 1},
            "1 training stores (1 different ones) are too few for 2 clusters of at least 1",
        ),
        (3, {"n_clusters": 4}, "3 training stores (3 different ones) are too few for 4 clusters"),
    ],
)
def test_too_few_stores_have_no_candidates_and_the_reason_counts_them(
    stores: int, given_settings: dict[str, int], reason: str
) -> None:
    result = search(blobs([stores], np.zeros((1, 2))), **given_settings)
    assert result == SearchResult([], None, reason)


def test_many_stores_that_are_all_the_same_are_too_few_different_ones() -> None:
    z = np.repeat([[1.0, 2.0]], 80, axis=0)
    result = search(z)
    assert result.candidates == []
    assert "80 training stores (1 different ones) are too few" in result.reason


@pytest.mark.parametrize("selection", ["mixture", "vote"])
def test_two_different_stores_that_repeat_are_two_clusters(selection: str) -> None:
    z = np.repeat([[1.0, 2.0], [3.0, 4.0]], 40, axis=0)
    chosen = search(z, selection=selection).chosen
    assert chosen is not None
    assert chosen.k == 2


def test_no_k_is_tried_that_the_number_of_stores_or_of_different_ones_rules_out() -> None:
    few = search(blobs([9, 8], FAR_CENTERS), max_clusters=10, min_cluster_size=5)
    assert [candidate.k for candidate in few.candidates] == [2, 3]
    repeated = np.repeat(blobs([2, 2], FAR_CENTERS), 20, axis=0)
    assert [candidate.k for candidate in search(repeated, max_clusters=10).candidates] == [2, 3, 4]


def test_the_same_seed_gives_the_same_search_and_another_seed_other_resamples() -> None:
    z = blobs([40, 40], FAR_CENTERS, spread=6.0)

    def figures(seed: int) -> list[tuple[float, ...]]:
        found = search(z, seed=seed).candidates
        return [(one.silhouette, one.inertia, one.stability, one.gap or 0.0) for one in found]

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


def test_threads_change_no_figure() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS, spread=4.0)
    settings_of_both = scope_settings(
        selection="vote", max_clusters=4, stability_resamples=4, gap_references=4
    )
    one, two = (choose_clusters(z, settings_of_both, kmeans, n_jobs) for n_jobs in (1, 2))
    assert [vars(each) | {"model": None, "metric": None} for each in one.candidates] == [
        vars(each) | {"model": None, "metric": None} for each in two.candidates
    ]
    for first, second in zip(one.candidates, two.candidates, strict=True):
        np.testing.assert_array_equal(first.model.labels_, second.model.labels_)


def stretched(sizes: tuple[int, ...], seed: int = 0) -> Matrix:
    """Clouds side by side along one axis that are far longer along another one."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(sum(sizes), 3)) * [1.0, 12.0, 1.0]
    rows[:, 0] += 8.0 * np.repeat(np.arange(len(sizes)), sizes)
    return rows


def test_the_mixture_finds_long_clouds_that_the_vote_cuts_across() -> None:
    sizes = (60, 50, 40)
    planted = np.repeat([0, 1, 2], sizes)
    found = search(stretched(sizes), selection="mixture").chosen
    assert found is not None
    assert found.k == 3
    assert adjusted_rand_score(planted, found.model.labels_) > 0.95
    by_vote = search(stretched(sizes), selection="vote", n_clusters=3).chosen
    assert by_vote is not None
    assert adjusted_rand_score(planted, by_vote.model.labels_) < 0.5


@pytest.mark.parametrize("shape", ["normal", "uniform", "skewed"])
def test_one_group_of_any_shape_is_not_cut(shape: str) -> None:
    random = np.random.default_rng(4)
    z = {
        "normal": random.normal(size=(200, 4)),
        "uniform": random.uniform(-1, 1, size=(200, 4)),
        "skewed": random.gamma(2.0, size=(200, 4)),
    }[shape]
    result = search(z, selection="mixture")
    assert result.chosen is None
    assert "one cluster describes" in result.reason or "no valley" in result.reason
    assert all(candidate.verdict for candidate in result.candidates)


@pytest.mark.parametrize("selection", ["mixture", "vote"])
def test_a_fixed_number_of_clusters_is_taken_whatever_the_data_say(selection: str) -> None:
    one_cloud = blobs([80], np.zeros((1, 3)), seed=3)
    result = search(one_cloud, selection=selection, n_clusters=4)
    assert result.chosen is not None
    assert result.chosen.k == 4
    assert result.reason.startswith("k = 4 fixed by n_clusters (")
    three = search(blobs([30, 25, 20], FAR_CENTERS), selection=selection, n_clusters=2)
    assert three.chosen is not None
    assert three.chosen.k == 2
    assert "k = 3" in three.reason


def test_a_fixed_number_may_be_outside_the_range_that_is_searched() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    result = search(z, selection="mixture", n_clusters=7)
    assert result.chosen is not None
    assert result.chosen.k == 7
    assert [candidate.k for candidate in result.candidates] == [2, 3, 4, 5, 6, 7]
    assert result.reason.startswith("k = 7 fixed by n_clusters, beyond max_clusters = 5 (")


def test_the_largest_number_that_was_tried_is_chosen_with_advice() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    at_the_end = search(z, selection="mixture", max_clusters=3)
    assert "raise max_clusters (3)" in at_the_end.reason
    assert "max_clusters" not in search(z, selection="mixture", max_clusters=4).reason
    asked_for = search(z, selection="mixture", min_clusters=3, max_clusters=3)
    assert asked_for.chosen is not None
    assert "max_clusters" not in asked_for.reason


@pytest.mark.slow
@pytest.mark.parametrize("rows", [6, 10, 15, 20, 30, 40])
def test_few_stores_without_groups_are_seldom_split(rows: int) -> None:
    claimed = 0
    for seed in range(30):
        z = np.random.default_rng([seed, rows]).normal(size=(rows, 3))
        result = search(z, selection="mixture", min_cluster_size=1)
        claimed += result.chosen is not None
    assert claimed <= 1


def test_few_stores_in_nearly_equal_pairs_are_seldom_split() -> None:
    claimed = 0
    for seed in range(30):
        random = np.random.default_rng([seed, 7])
        z = np.repeat(random.normal(size=(12, 3)), 2, axis=0)
        z += 0.01 * random.normal(size=z.shape)
        claimed += search(z, selection="mixture").chosen is not None
    assert claimed <= 1


def test_a_tight_group_and_a_wide_one_are_two_clusters() -> None:
    random = np.random.default_rng(3)
    truth = np.repeat([0, 1], 150)
    z = random.normal(size=(300, 5)) * np.where(truth == 1, 6.0, 1.0)[:, None]
    z[:, 0] += 30.0 * truth
    found = search(z, selection="mixture", max_clusters=8).chosen
    assert found is not None
    assert found.k == 2
    assert adjusted_rand_score(truth, found.model.labels_) > 0.9


def test_clusters_lie_where_the_stores_are_and_not_where_the_smooth_rows_are() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    smooth = z + np.random.default_rng(0).normal(scale=0.5, size=z.shape)
    settings_of_both = scope_settings(max_clusters=4, stability_resamples=2, gap_references=2)
    found = choose_clusters(z, settings_of_both, kmeans, smooth=lambda rows: smooth[rows]).chosen
    assert found is not None
    assert found.k == 3
    means = [z[found.model.labels_ == cluster].mean(axis=0) for cluster in range(3)]
    centers = found.metric.transform(np.array(means))
    np.testing.assert_allclose(found.model.cluster_centers_, centers, atol=1e-9)


def test_few_stores_in_groups_far_apart_are_split() -> None:
    z = blobs([8, 7, 7], FAR_CENTERS)
    found = search(z, selection="mixture").chosen
    assert found is not None
    assert found.k == 3


def test_as_many_clusters_as_different_stores_can_be_asked_for() -> None:
    z = np.repeat(np.eye(6), 5, axis=0)
    result = search(z, selection="mixture", n_clusters=6)
    assert result.chosen is not None
    assert sorted(np.bincount(result.chosen.model.labels_).tolist()) == [5] * 6


@pytest.mark.parametrize("share", [0.03, 0.05, 0.1])
def test_a_small_group_far_from_the_others_is_found(share: float) -> None:
    sizes = [int(300 * (1 - share)), round(300 * share)]
    found = search(blobs(sizes, FAR_CENTERS), selection="mixture").chosen
    assert found is not None
    assert sorted(np.bincount(found.model.labels_).tolist()) == sorted(sizes)


def test_clusters_of_a_mixture_are_those_of_the_nearest_center_in_its_metric() -> None:
    z = stretched((60, 50, 40))
    found = search(z, selection="mixture").chosen
    assert found is not None
    w = found.metric.transform(z)
    distances = ((w[:, None, :] - found.model.cluster_centers_[None, :, :]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(distances.argmin(axis=1), found.model.labels_)


def figures_of(candidate: Candidate) -> str:
    """What a verdict says about a mixture."""
    assert candidate.assessment is not None
    gain, split = candidate.assessment.gain, candidate.assessment.split
    assert gain is not None
    return f"(gain {round(100 * gain)}%, p = {split:.2g} of no valley)"


def test_every_candidate_of_the_mixtures_has_a_verdict_with_its_figures() -> None:
    z = blobs([60, 50, 40], FAR_CENTERS / 3)
    result = search(z, selection="mixture", max_clusters=7)
    ranked = sorted(result.candidates, key=lambda one: -(one.assessment.score or 0.0))  # type: ignore[union-attr]
    assert [one.k for one in ranked] == [3, 4, 5, 2, 6, 7]
    splits = [one.assessment.split for one in ranked if one.assessment and one.assessment.split]
    assert [split <= 0.2 for split in splits] == [True, False, True, True, False, True]
    assert [one.verdict.removesuffix(figures_of(one)).rstrip() for one in ranked] == [
        "chosen: best by the criterion of mixtures",
        "rejected: no valley between its clusters",
        *(f"place {place} by the criterion of mixtures" for place in (3, 4, 5, 6)),
    ]
    assert all(one.verdict.endswith(figures_of(one)) for one in ranked)
    assert result.reason == f"k = 3 {ranked[0].verdict}"


def test_without_a_valley_the_reason_names_the_candidates_that_were_tested() -> None:
    z = np.random.default_rng(1).gamma(2.0, size=(200, 4))
    result = search(z, selection="mixture")
    assert result.chosen is None
    ranked = sorted(result.candidates, key=lambda one: -(one.assessment.score or 0.0))  # type: ignore[union-attr]
    tested = ", ".join(str(k) for k in sorted(one.k for one in ranked[:TESTED]))
    best = ranked[0].assessment
    assert best is not None
    assert result.reason == (
        f"no valley between the clusters of the best candidates (k = {tested}; "
        f"p = {best.split:.2f} for k = {best.k}): one group of stores, not several"
    )
    able = [one for one in ranked if one.assessment and one.assessment.score is not None]
    assert len(able) > TESTED
    assert [one.verdict.split(" (")[0] for one in able] == [
        *["rejected: no valley between its clusters"] * TESTED,
        *(f"place {place} by the criterion of mixtures" for place in range(4, len(able) + 1)),
    ]
    assert all(one.gap is None for one in ranked)


def test_if_one_cluster_is_best_every_candidate_says_so() -> None:
    result = search(np.random.default_rng(4).normal(size=(200, 4)), selection="mixture")
    assert result.chosen is None
    assert result.reason == (
        "one cluster describes the stores best (BIC of mixtures, or too few stores)"
    )
    assert {one.verdict for one in result.candidates} == {
        "rejected: one cluster has a better criterion"
    }


def test_a_mixture_with_a_cluster_that_is_too_small_is_rejected_and_unstable_ones_are_not() -> None:
    z = blobs([60, 30, 4], FAR_CENTERS)
    result = search(z, selection="mixture", stability_threshold=1, max_clusters=3)
    two, three = result.candidates
    assert result.chosen is two
    assert three.verdict == "rejected: smallest cluster has 4 stores, fewer than 5"
    accepted = search(z, selection="mixture", min_cluster_size=4, max_clusters=3).chosen
    assert accepted is not None
    assert accepted.k == 3


def test_the_figures_of_a_mixture_are_measured_on_the_components_and_in_its_metric() -> None:
    z = stretched((60, 50, 40))
    for one in search(z, selection="mixture", seed=7).candidates:
        labels = one.model.labels_
        assert one.silhouette == pytest.approx(silhouette_score(z, labels))
        assert one.calinski_harabasz == pytest.approx(calinski_harabasz_score(z, labels))
        assert one.davies_bouldin == pytest.approx(davies_bouldin_score(z, labels))
        assert one.smallest_cluster == min(np.bincount(labels))
        w = one.metric.transform(z)
        parts = [w[labels == cluster] for cluster in range(one.k)]
        inertia = sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)
        assert one.inertia == pytest.approx(inertia)
        stability = naive_stability(w, labels, one.k, 6, 7)
        assert one.stability == pytest.approx(np.mean(stability))
        assert one.least_stable_cluster == pytest.approx(min(stability))


def test_in_the_metric_of_a_mixture_the_clusters_are_round() -> None:
    random = np.random.default_rng(5)
    mixed = np.array([[1.0, 0.9, 0.0], [0.0, 0.5, 0.0], [0.3, 0.0, 4.0]])
    planted = np.repeat([0, 1], [200, 150])
    z = random.normal(size=(350, 3)) @ mixed + 6.0 * np.outer(planted, [1.0, -1.0, 0.0])
    found = search(z, selection="mixture", max_clusters=3).chosen
    assert found is not None
    assert adjusted_rand_score(planted, found.model.labels_) == 1.0
    w = found.metric.transform(z)
    residuals = w - np.array([w[planted == part].mean(axis=0) for part in (0, 1)])[planted]
    np.testing.assert_allclose(residuals.T @ residuals / len(z), np.eye(3), atol=0.1)


def test_the_gap_of_a_mixture_that_is_chosen_is_that_of_tibshirani() -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    result = search(z, selection="mixture", seed=11)
    assert result.chosen is not None
    gap, error = naive_gap(z, 3, 10, 11)
    assert result.chosen.gap == pytest.approx(gap, rel=1e-9)
    assert result.chosen.gap_standard_error == pytest.approx(error, rel=1e-9)
    assert [one.k for one in result.candidates if one.gap is not None] == [3]


@pytest.mark.parametrize("value", [1e160, np.inf, np.nan])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_whose_squares_are_infinite_are_refused(value: float) -> None:
    z = blobs([30, 25], FAR_CENTERS)
    z[3, 1] = value
    with pytest.raises(ValueError, match=r"^distances between stores contain infinity or a value"):
        search(z)


def test_a_doubtful_valley_is_enough_for_many_smooth_stores_only() -> None:
    z = blobs([40, 30], FAR_CENTERS / 3.8)
    given_settings = scope_settings(max_clusters=2, stability_resamples=2, gap_references=2)
    (two,) = choose_clusters(z, given_settings, kmeans).candidates
    assert two.assessment is not None
    assert two.assessment.split is not None
    assert ALPHA_IF_DOUBTFUL < two.assessment.split <= ALPHA

    def is_split(zero_share: float, *, has_levels: bool) -> bool:
        smooth = (lambda rows: z[rows]) if has_levels else None
        result = choose_clusters(z, given_settings, kmeans, 1, zero_share, smooth)
        return result.chosen is not None

    assert is_split(0.0, has_levels=False)
    assert is_split(1e-9, has_levels=True)
    assert not is_split(0.0, has_levels=True)


@pytest.mark.parametrize(("rows", "is_split"), [(49, False), (50, True), (51, True)])
def test_below_fifty_stores_a_valley_has_to_be_clear(rows: int, is_split: bool) -> None:
    z = blobs([26, 25], FAR_CENTERS / 3.4, seed=2)[:rows]
    given_settings = scope_settings(max_clusters=2, stability_resamples=2, gap_references=2)
    result = choose_clusters(z, given_settings, kmeans)
    (two,) = result.candidates
    assert two.assessment is not None
    assert two.assessment.split is not None
    assert ALPHA_IF_DOUBTFUL < two.assessment.split <= ALPHA
    assert (result.chosen is not None) == is_split


def test_mixtures_of_many_stores_see_a_sample_and_the_clusters_have_all() -> None:
    z = blobs([1500, 800], FAR_CENTERS[:, :2])
    asked: list[Labels] = []

    def smooth(rows: Labels) -> Matrix:
        asked.append(rows)
        return z[rows]

    for seed in (1, 1, 2):
        given_settings = scope_settings(
            seed=seed, max_clusters=2, stability_resamples=2, gap_references=2
        )
        result = choose_clusters(z, given_settings, kmeans, smooth=smooth)
        assert result.chosen is not None
        assert result.chosen.assessment is not None
        assert len(result.chosen.assessment.mixture.labels) <= SEARCH_ROWS
        assert sorted(np.bincount(result.chosen.model.labels_)) == [800, 1500]
    for rows in asked:
        assert len(rows) == SEARCH_ROWS
        assert (np.diff(rows) > 0).all()
    assert asked[0].tolist() == asked[1].tolist() != asked[2].tolist()


def test_twins_count_once_in_the_search_and_are_both_clustered() -> None:
    z = np.repeat(blobs([20, 15], FAR_CENTERS), 2, axis=0)
    (two,) = search(z, selection="mixture", max_clusters=2).candidates
    assert two.assessment is not None
    n_searched = len(two.assessment.mixture.labels)
    assert 30 <= n_searched <= 35  # some clouds have stores that are nearly the same by chance
    assert sorted(np.bincount(two.model.labels_).tolist()) == [30, 40]


def test_as_many_clusters_as_stores_have_no_index_and_no_gap() -> None:
    z = 10.0 * np.eye(4)
    result = search(z, n_clusters=4, min_cluster_size=1, stability_threshold=0)
    four = result.candidates[-1]
    assert (four.k, four.calinski_harabasz, four.davies_bouldin) == (4, 0.0, 0.0)
    assert result.chosen is four
    repeated = search(np.repeat(z, 8, axis=0), min_clusters=4, max_clusters=4).chosen
    assert repeated is not None
    assert (repeated.gap, repeated.gap_standard_error) == (None, None)


@pytest.mark.parametrize("selection", ["mixture", "vote"])
def test_a_fixed_number_below_the_smallest_one_is_searched_too(selection: str) -> None:
    z = blobs([30, 25, 20], FAR_CENTERS)
    result = search(z, selection=selection, min_clusters=3, max_clusters=4, n_clusters=2)
    assert [one.k for one in result.candidates] == [2, 3, 4]
    assert result.chosen is result.candidates[0]
    assert result.chosen.verdict.startswith("chosen: fixed by n_clusters; place ")
    assert result.candidates[1].verdict.startswith("the data alone: best by ")
    same = search(z, selection=selection, max_clusters=4, n_clusters=3).chosen
    assert same is not None
    assert same.verdict.startswith("chosen: fixed by n_clusters; the data alone: best by ")
    above = search(z, selection=selection, min_clusters=3, max_clusters=4, n_clusters=4)
    assert [one.k for one in above.candidates] == [3, 4]
    assert above.reason.startswith("k = 4 fixed by n_clusters (the data: k = 3 chosen: best by ")


def test_a_fixed_number_says_if_the_data_have_no_structure() -> None:
    one_cloud = blobs([80], np.zeros((1, 3)), seed=3)
    result = search(one_cloud, selection="mixture", n_clusters=4)
    assert result.reason == "k = 4 fixed by n_clusters (the data alone give no structure)"
    assert result.chosen is not None
    assert result.chosen.verdict == (
        "chosen: fixed by n_clusters; rejected: one cluster has a better criterion"
    )
