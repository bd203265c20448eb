"""The kinds of pictures: what each shows, what it is drawn from and by which function.

The order is that of the report, which drops the last ones first if not all of them fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import FigureBase

from segmentation.pictures import drawings
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


KINDS: Final = (
    Kind(
        "profiles",
        drawings.draw_profiles,
        "What sets the segments apart",
        "Mean of each segment compared with all stores of the category, in standard deviations, "
        "for the features that separate the segments most: need states above, surroundings below. "
        "n/a: no store of the segment has a value.",
        ("profiles",),
        "the category has no profiles",
        of_segments=True,
        size=(9, 5.2),
        overview_columns=1,
    ),
    Kind(
        "sizes",
        drawings.draw_sizes,
        "How large the segments are",
        "Share of the category's stores and of its sales.",
        ("segments",),
        "the category has no segments",
        of_segments=True,
        size=(9, 4.6),
        overview_columns=1,
    ),
    Kind(
        "mix",
        drawings.draw_mix,
        "What the segments sell",
        "Share of each need state in the sales of a store, averaged over the stores of the "
        "segment, for the largest need states of the category.",
        ("mix", "segments"),
        "the category has no need states",
        of_segments=True,
        size=(9, 4.4),
        overview_columns=1,
    ),
    Kind(
        "crosstab",
        drawings.draw_crosstab,
        "Both lanes and their segments",
        "Left: stores per internal and external cluster. Right: the segment of each pair after "
        "small ones were dissolved; bold where the pair gives the segment its id. "
        "x: the lane does not know the stores.",
        ("cells",),
        "the category has no segments",
        of_segments=True,
        size=(9, 3.8),
        overview_columns=1,
    ),
    Kind(
        "movements",
        drawings.draw_movements,
        "Who moved since the previous run",
        "Stores by their segment in the previous run (rows) and now (columns).",
        ("movements",),
        "no store has moved since the previous run, or there is none",
        of_segments=True,
        size=(8, 4.4),
    ),
    Kind(
        "components",
        drawings.draw_components,
        "Stores on the first two components",
        "One dot per store in the color of its cluster, with a number at each centroid. Hollow: "
        "the model did not learn from the store (outlier or too few sales) but scored it.",
        ("components", "centroids", "variance"),
        "no store has component scores",
        of_segments=False,
        size=(8, 5.2),
    ),
    Kind(
        "search",
        drawings.draw_search,
        "How many clusters",
        "Each index for each number of clusters tried. The band marks the chosen number; a "
        "hollow dot did not pass the gates (smallest cluster, stability).",
        ("search",),
        "no number of clusters was tried",
        of_segments=False,
        size=(9, 2.9),
        overview_columns=1,
    ),
    Kind(
        "silhouettes",
        drawings.draw_silhouettes,
        "How well stores fit their clusters",
        "One line per store the model learned from, sorted within its cluster. Near 1: far from "
        "the next cluster; near 0: between two clusters; below 0: nearer to another cluster.",
        ("silhouettes",),
        "the scope has a single cluster",
        of_segments=False,
        size=(8, 4.6),
    ),
    Kind(
        "variance",
        drawings.draw_variance,
        "What the components explain",
        "Share of the variance that each component explains, and the running total.",
        ("variance",),
        "the model has no components",
        of_segments=False,
        size=(8, 3.2),
    ),
)
