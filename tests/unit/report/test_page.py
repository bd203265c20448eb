"""What the filters of the report's template write."""

from __future__ import annotations

import pytest

from segmentation.report.page import NO_VALUE, reading


@pytest.mark.parametrize(
    ("value", "index", "text"),
    [
        (0.72, "silhouette", "0.72 (strong)"),
        (0.25, "silhouette", "0.25 (weak)"),
        (-0.1, "silhouette", "-0.10 (no clear groups)"),
        (0.8, "stability", "0.80 (stable)"),
        (0.3, "stability", "0.30 (unstable)"),
        (None, "stability", NO_VALUE),
    ],
)
def test_an_index_comes_with_the_word_for_it(value: float | None, index: str, text: str) -> None:
    assert reading(value, index) == text
