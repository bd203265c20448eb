"""What a reader of the report should do next, from the facts of the build."""

from __future__ import annotations

from typing import Any


def next_steps(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Actions that the build calls for, most urgent first.

    Parameters
    ----------
    facts
        One row with the counts of the build: n_rejected, n_moved, n_drifted, n_thin, n_reassigned,
        n_given_names, n_segments.

    Returns
    -------
    list of dict
        `text`, and `anchor`, the part of the report that has more; at least one.
    """
    steps = []

    def step(text: str, anchor: str) -> None:
        steps.append({"text": text, "anchor": anchor})

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
    if facts["n_given_names"] < facts["n_segments"]:
        step(
            f"{_counted(facts['n_segments'] - facts['n_given_names'], 'segment')} still"
            f" {'has' if facts['n_segments'] - facts['n_given_names'] == 1 else 'have'} a computed"
            " name: agree on names and enter them in the seed segment_name_overrides.",
            "all-segments",
        )
    if facts["n_thin"]:
        step(
            f"{_counted(facts['n_thin'], 'store')} with few sales: treat their segments as"
            " provisional.",
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
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
