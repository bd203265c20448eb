"""What to do next."""

from __future__ import annotations

from segmentation.report.steps import next_steps

NOTHING = {
    "n_rejected": 0,
    "n_moved": 0,
    "n_drifted": 0,
    "n_thin_stores": 0,
    "n_categories": 3,
    "n_without_groups": 0,
    "n_unnamed": 0,
}


def test_a_build_that_calls_for_nothing_has_no_steps() -> None:
    assert next_steps(NOTHING) == []
    assert next_steps({**NOTHING, "n_moved": None}) == []


def test_each_fact_that_calls_for_an_action_is_a_step_with_a_place_to_look() -> None:
    changed = {"n_moved": 1, "n_drifted": 2, "n_unnamed": 1, "n_thin_stores": 5}
    steps = next_steps({**NOTHING, **changed})
    assert [step["anchor"] for step in steps] == ["data", "changes", "all-segments", "find"]
    assert steps[0]["text"].startswith("2 distributions changed")
    assert steps[1]["text"].startswith("1 store moved")
    assert "1 segment still has a computed name" in steps[2]["text"]


def test_categories_without_groups_are_said_first() -> None:
    (first, *_) = next_steps({**NOTHING, "n_without_groups": 2, "n_thin_stores": 5})
    assert first["text"].startswith("In 2 of 3 categories the stores do not fall into groups")
    (one,) = next_steps({**NOTHING, "n_without_groups": 1, "n_categories": 1})
    assert one["text"].startswith("In 1 of 1 category the stores")
