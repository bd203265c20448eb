"""The house style: quiet, readable at the width of a docs page, safe for colour-blind readers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import isnan
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import FigureBase

#: Okabe and Ito (2008), Color Universal Design; black is kept for text.
PALETTE: Final = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#7F6BB3",
    "#8C8C00",
)
#: A colour that comes again has another marker.
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
INK: Final = "#222222"
FAINT: Final = "#6B6B6B"
GRID: Final = "#E3E3E3"
#: Diverging, its ends can be distinguished with any kind of color vision (Brewer 2003).
DIVERGING: Final = "PuOr_r"
#: Sequential in one hue, so that lightness alone carries it (Brewer 2003).
SEQUENTIAL: Final = "Blues"

DOTS_PER_INCH: Final = 120
#: Contrast to black and to white is the same here (WCAG 2.1, contrast ratio): above it dark text
#: reads better.
MIDDLE_LUMINANCE: Final = 0.179
#: Of the explanation's font.
CHARACTERS_PER_INCH: Final = 13.5

RC: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "text.color": INK,
    # a dollar sign in a name is a dollar sign
    "text.parse_math": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "store_segments",
    "path.simplify": True,
}


def colour(position: int) -> str:
    """Colour of the n-th group, from 0."""
    return PALETTE[position % len(PALETTE)]


def marker(position: int) -> str:
    """Marker of the n-th group, from 0; changes when the colours begin again."""
    return MARKERS[position // len(PALETTE) % len(MARKERS)]


def is_light(shade: str | tuple[float, ...]) -> bool:
    """Whether dark text reads better on a colour than light text (WCAG 2.1, relative luminance)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for part in to_rgb(shade)
    )
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue >= MIDDLE_LUMINANCE)


def headline(figure: FigureBase, title: str, explanation: str, width: float) -> None:
    """Put the title above and a few lines that say how to read the picture below.

    `width` is that of the figure in inches.
    """
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    lines = textwrap.wrap(explanation, int(width * CHARACTERS_PER_INCH))
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=8.5, color=FAINT)


def short(text: str, width: int = 28) -> str:
    """A label that fits; what is cut is marked."""
    return text if len(text) <= width else text[: width - 1] + "…"


def annotate_cells(
    axes: Axes, values: Sequence[Sequence[float]], texts: Sequence[Sequence[str]], colours: Colormap
) -> None:
    """Write into the cells of a heat map, light on dark and dark on light.

    `values` are 0 to 1, as the colours have them; nan is a cell without colour. The texts make no
    room for themselves: to ask each for its size takes longer than to draw it.
    """
    for row, (line, said) in enumerate(zip(values, texts, strict=True)):
        for column, (value, text) in enumerate(zip(line, said, strict=True)):
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=8,
                color=INK if isnan(value) or is_light(colours(value)[:3]) else "white",
                in_layout=False,
            )


def plain_axes(axes: Axes) -> None:
    """No frame and no tick marks, for bars and heat maps."""
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
