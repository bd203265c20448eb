"""Pictures as files: the figure of each, in few colours, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.spatial.distance import cdist

from segmentation.pictures import drawings, style
from segmentation.pictures.catalog import SOURCE_KEY, Format, Kind, Picture
from segmentation.pictures.tables import Tables

#: What draws each kind of picture.
DRAWINGS: Final[Mapping[str, Callable[[FigureBase, Tables], None]]] = {
    "search": drawings.draw_search,
    "silhouettes": drawings.draw_silhouettes,
    "components": drawings.draw_components,
    "variance": drawings.draw_variance,
    "profiles": drawings.draw_profiles,
    "sizes": drawings.draw_sizes,
    "mix": drawings.draw_mix,
    "crosstab": drawings.draw_crosstab,
    "movements": drawings.draw_movements,
}
#: Colours of a PNG file, and how many of them are taken because most pixels have them.
N_COLOURS: Final = 256
N_FREQUENT: Final = 128


def draw(picture: Picture, path: Path, extension: Format) -> tuple[str, str]:
    """Draw and write a picture, return its status and the reason if there is none."""
    try:
        # from the defaults: PyCaret's libraries change the style of a process that imports them
        with mpl_style.context(["default", style.RC]):
            _replace(path, _rendered(_figure(picture), extension, picture.source()))
    except Exception as error:
        # whatever it is: it is a row with its reason, and the other pictures are drawn
        return "failed", f"{type(error).__name__}: {error}"
    return "drawn", ""


def placeholder(kind: Kind, reason: str) -> bytes:
    """PNG file that stands where an overview would, and says why there is none."""
    with mpl_style.context(["default", style.RC]):
        figure = Figure(figsize=(9, 0.7), dpi=style.DOTS_PER_INCH, layout="constrained")
        style.headline(figure, kind.title, reason, 9)
        return _rendered(figure, "png", "")


def _figure(picture: Picture) -> Figure:
    """The picture, one part per scope."""
    drawing = DRAWINGS[picture.kind.name]
    width, height = picture.kind.size
    columns = min(picture.kind.overview_columns, len(picture.parts))
    rows = -(-len(picture.parts) // columns)
    scale = 1.0 if len(picture.parts) == 1 else 0.78
    width = max(width, 9) if columns > 1 else width
    figure = Figure(
        figsize=(width, max(height * rows * scale, 2)),
        dpi=style.DOTS_PER_INCH,
        layout="constrained",
    )
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08)
    style.headline(figure, picture.title, picture.kind.explanation, width)
    if len(picture.parts) == 1:
        drawing(figure, picture.parts[0][1])
        return figure
    places = np.atleast_1d(figure.subfigures(rows, columns)).ravel()
    for place, (scope, tables) in zip(places, picture.parts, strict=False):
        place.suptitle(
            style.short(scope, 50), x=0.01 * columns, ha="left", fontsize=10, color=style.FAINT
        )
        drawing(place, tables)
    return figure


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is there in full or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _rendered(figure: Figure, extension: Format, source: str) -> bytes:
    content = io.BytesIO()
    if extension == "svg":
        figure.savefig(content, format="svg", metadata={SOURCE_KEY: source, "Date": None})
        return content.getvalue()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    small = with_palette(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    metadata = PngInfo()
    metadata.add_text(SOURCE_KEY, source)
    small.save(content, format="png", optimize=True, pnginfo=metadata)
    return content.getvalue()


def with_palette(image: Image.Image) -> Image.Image:
    """The picture with 256 colours, which makes the file a third as large.

    The colours of most pixels (cells, bars, letters) stay as they are, so that equal values look
    equal; the rest of the palette covers the others, shades between them, as well as it can.
    """
    pixels = np.asarray(image).reshape(-1, 3)
    codes = pixels @ np.array([1 << 16, 1 << 8, 1])
    kinds, places, counts = np.unique(codes, return_index=True, return_counts=True)
    colours = pixels[places]
    order = np.lexsort((kinds, -counts))
    palette, others = colours[order[:N_FREQUENT]], colours[order[N_FREQUENT:]]
    if len(others):
        covering = Image.fromarray(others[np.newaxis]).quantize(
            N_COLOURS - N_FREQUENT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        more = np.array(covering.getpalette(), dtype=np.uint8).reshape(-1, 3)
        palette = np.concatenate([palette, more])[:N_COLOURS]
    nearest = cdist(colours, palette).argmin(axis=1).astype(np.uint8)
    small = Image.fromarray(nearest[np.searchsorted(kinds, codes)].reshape(image.size[::-1]))
    small.putpalette(palette.tobytes())
    return small
