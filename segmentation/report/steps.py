"""What a reader of the report should do next, from the facts of the build."""

from __future__ import annotations

from typing import Any


def next_steps(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Actions that the build calls for, most urgent first.

    Parameters
    ----------
    facts
        One row with the counts of the build: n_rejected, n_moved, n_drifted, n_thin_stores,
        n_unnamed (segments of categories with groups, without a given name), n_categories,
        n_without_groups.

    Returns
    -------
    list of dict
        `text`, and `anchor`, the part of the report that has more; at least one.
    """
    steps = []

    def step(text: str, anchor: str) -> None:
        steps.append({"text": text, "anchor": anchor})

    if facts["n_without_groups"]:
        step(
            f"In {facts['n_without_groups']:,} of {_counted(facts['n_categories'], 'category')} the"
            " stores do not fall into groups by what they sell: plan those for all stores alike, or"
            " from the mix of each store (table segments.expected_shares).",
            "overview",
        )
    if facts["n_drifted"]:
        step(
            f"{_counted(facts['n_drifted'], 'distribution')} changed since the models were fitted:"
            " consider new models (retrain: always).",
            "data",
        )
    if facts["n_moved"]:
        step(
            f"{_counted(facts['n_moved'], 'store')} moved to another segment since the previous"
            " run: check them before plans change.",
            "changes",
        )
    if facts["n_unnamed"]:
        step(
            f"{_counted(facts['n_unnamed'], 'segment')} still"
            f" {'has' if facts['n_unnamed'] == 1 else 'have'} a computed name: agree on names and"
            " enter them in the seed segment_name_overrides.",
            "all-segments",
        )
    if facts["n_thin_stores"]:
        step(
            f"{_counted(facts['n_thin_stores'], 'store')} with few sales in a category or in all:"
            " treat their segments as provisional. The list of all stores marks them.",
            "find",
        )
    if facts["n_rejected"]:
        step(
            f"{_counted(facts['n_rejected'], 'row')} or values were rejected: the reasons say"
            " whether an export needs a correction.",
            "data",
        )
    return steps


def _counted(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"
