"""What a kind of picture is; `segmentation.pictures.drawings` has them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import FigureBase

from segmentation.pictures.tables import Tables


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
        Width and height in inches.
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
