"""What a kind of picture is; `segmentation.pictures.drawings` has them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import FigureBase

from segmentation.pictures.tables import Tables

#: Inches of headline, axis and explanation.
AROUND: Final = 1.2


@dataclass(frozen=True)
class Kind:
    """One kind of picture.

    Attributes
    ----------
    name
        Start of its file names, and `kind` in `segment_plots`.
    draw
        Draws the rows of one scope into a figure or a part of one.
    title, explanation
        Headline, and how to read the picture.
    tables
        The tables it is drawn from. If the first one has no rows, there is nothing to draw.
    if_empty
        Why there is nothing to draw then.
    of_segments
        True for a picture of a category's segments, false for one of a lane's clusters.
    size
        Width and least height in inches.
    rows
        Number of labels that stand above each other, where the height depends on it; `row_height`
        is that of one of them in inches.
    overview_columns
        Scopes beside each other in the overview.
    """

    name: str
    draw: Callable[[FigureBase, Tables], None]
    title: str
    explanation: str
    tables: tuple[str, ...]
    if_empty: str
    of_segments: bool
    size: tuple[float, float]
    overview_columns: int = 2
    rows: Callable[[Tables], int] = lambda _: 0
    row_height: float = 0.0

    def height(self, tables: Tables) -> float:
        """Inches that the rows of one scope need."""
        return max(self.size[1], AROUND + self.row_height * self.rows(tables))
