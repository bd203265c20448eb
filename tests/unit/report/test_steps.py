"""What to do next."""

from __future__ import annotations

from segmentation.report.steps import next_steps

NOTHING = {
    "n_rejected": 0,
    "n_moved": 0,
    "n_drifted": 0,
    "n_thin": 0,
    "n_segments": 4,
    "n_given_names": 4,
}


def test_a_build_that_calls_for_nothing_has_no_steps() -> None:
    assert next_steps(NOTHING) == []
    assert next_steps({**NOTHING, "n_moved": None}) == []


def test_each_fact_that_calls_for_an_action_is_a_step_with_a_place_to_look() -> None:
    steps = next_steps({**NOTHING, "n_moved": 1, "n_drifted": 2, "n_given_names": 3, "n_thin": 5})
    assert [step["anchor"] for step in steps] == ["data", "changes", "all-segments", "find"]
    assert steps[0]["text"].startswith("2 distributions changed")
    assert steps[1]["text"].startswith("1 store moved")
    assert "1 segment still has a computed name" in steps[2]["text"]
