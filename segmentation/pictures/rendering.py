"""Pictures as files: the figure of each, in few colours, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, FigureBase, SubFigure
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.spatial.distance import cdist

from segmentation.pictures import drawings, style
from segmentation.pictures.catalog import PARTS_KEY, SOURCE_KEY, Format, Kind, Picture
from segmentation.pictures.tables import Tables

#: What draws each kind of picture.
DRAWINGS: Final[dict[str, Callable[[FigureBase, Tables], None]]] = {
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

_LAST_DIGIT: Final = 1e-9

Pixels = npt.NDArray[np.uint8]


def draw(picture: Picture, path: Path, extension: Format) -> tuple[str, str]:
    """Draw and write a picture, return its status and the reason if there is none."""
    try:
        # from the defaults: PyCaret's libraries change the style of a process that imports them
        with mpl_style.context(["default", style.RC]):
            content = _svg(picture) if extension == "svg" else _png(picture, path)
            _replace(path, content)
    except Exception as error:
        # whatever it is: it is a row with its reason, and the other pictures are drawn
        return "failed", f"{type(error).__name__}: {error}"
    return "drawn", ""


def placeholder(kind: Kind, reason: str) -> bytes:
    """PNG file that stands where an overview would, and says why there is none."""
    with mpl_style.context(["default", style.RC]):
        figure = Figure(figsize=(9, 0.7), dpi=style.DOTS_PER_INCH, layout="constrained")
        style.headline(figure, kind.title, reason, 9)
        return _file(few_colours(_pixels(figure)), PngInfo())


def few_colours(pixels: Pixels) -> Pixels:
    """The same pixels in 256 colours, which make a file a third as large as all of them.

    The colours of most pixels (cells, bars, letters) stay as they are, so that equal values look
    equal; the rest of the colours covers the others, shades between them, as well as it can.

    Parameters
    ----------
    pixels
        Any shape, the last dimension red, green and blue.
    """
    kinds, counts = _colours(pixels)
    if len(kinds) <= N_FREQUENT:
        return pixels
    colours = _from_codes(kinds)
    order = np.lexsort((kinds, -counts))
    kept, others = colours[order[:N_FREQUENT]], colours[order[N_FREQUENT:]]
    covering = Image.fromarray(others[np.newaxis]).quantize(
        N_COLOURS - N_FREQUENT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    more = np.array(covering.getpalette(), dtype=np.uint8).reshape(-1, 3)
    return _nearest(pixels, np.concatenate([kept, more])[:N_COLOURS])


@cache
def house_colours() -> Pixels:
    """The 256 colours of overviews: all that the house style has, and shades between them.

    They are the same for all, so that a part of an overview looks the same beside any others.
    """
    ends = {shade: np.array(to_rgb(shade)) for shade in (*style.PALETTE, style.INK, style.FAINT)}
    ramps = [colormaps[style.DIVERGING](np.linspace(0, 1, 110))[:, :3]]
    ramps.append(colormaps[style.SEQUENTIAL](np.linspace(0, 1, 48))[:, :3])
    for shade, end in ends.items():
        n_shades = 9 if shade in style.PALETTE else 13
        ramps.append(np.linspace(end, np.ones(3), n_shades)[:-1])
    shades: Pixels = np.rint(255 * np.concatenate([[np.ones(3)], *ramps])).astype(np.uint8)
    return np.unique(shades, axis=0)


def _nearest(pixels: Pixels, palette: Pixels) -> Pixels:
    """Each pixel in the nearest colour of a palette, colours x 3."""
    kinds, _ = _colours(pixels)
    nearest = cdist(_from_codes(kinds), palette).argmin(axis=1)
    found: Pixels = palette[nearest[np.searchsorted(kinds, _codes(pixels))]]
    return found


def _svg(picture: Picture) -> bytes:
    figure, places = _figure(picture)
    for number, place in enumerate(places):
        _draw_part(place, picture, number)
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={SOURCE_KEY: picture.source(), "Date": None})
    return content.getvalue()


def _png(picture: Picture, path: Path) -> bytes:
    """The picture; parts of an overview that stand in the file already are taken from there.

    Each part is drawn by itself and in colours that are the same for all, so that none depends on
    another one.
    """
    figure, places = _figure(picture)
    for place in places[:1]:
        place.add_subplot().set_axis_off()  # a figure of empty places leaves its texts no room
    pixels = _pixels(figure)
    pixels = _nearest(pixels, house_colours()) if places else few_colours(pixels)
    old = _old_parts(path, picture.sources, pixels.shape) if places else {}
    for number, place in enumerate(places):
        region = _region(place, len(pixels))
        if number in old:
            pixels[region] = old[number][region]
        else:
            height, width, _ = pixels[region].shape
            part = _empty_figure(width / style.DOTS_PER_INCH, height / style.DOTS_PER_INCH)
            _draw_part(part, picture, number)
            pixels[region] = _nearest(_pixels(part), house_colours())
    metadata = PngInfo()
    metadata.add_text(SOURCE_KEY, picture.source())
    metadata.add_text(PARTS_KEY, " ".join(picture.sources))
    return _file(pixels, metadata)


def _old_parts(path: Path, sources: list[str], shape: tuple[int, ...]) -> dict[int, Pixels]:
    """The file's pixels, by the number of each part of an overview that looks the same in it.

    None of a file that is not as `_png` has written it for the same frame.
    """
    try:
        with Image.open(path) as image:
            kept = str(image.info.get(PARTS_KEY)).split()
            pixels = np.asarray(image.convert("RGB"))
            is_ours = image.mode == "P" and pixels.shape == shape
    except (OSError, ValueError):
        return {}
    if not is_ours or len(kept) != len(sources) or kept[0] != sources[0]:
        return {}
    pairs = zip(kept[1:], sources[1:], strict=True)
    return {number: pixels for number, (old, new) in enumerate(pairs) if old == new}


def _figure(picture: Picture) -> tuple[Figure, Sequence[SubFigure]]:
    """The picture of one scope, or what is around the parts of an overview, and their places."""
    width, height = picture.kind.size
    columns = min(picture.kind.overview_columns, len(picture.parts))
    rows = -(-len(picture.parts) // columns)
    scale = 1.0 if len(picture.parts) == 1 else 0.78
    width = max(width, 9) if columns > 1 else width
    figure = _empty_figure(width, max(height * rows * scale, 2))
    style.headline(figure, picture.title, picture.kind.explanation, width)
    if len(picture.parts) == 1:
        DRAWINGS[picture.kind.name](figure, picture.parts[0][1])
        return figure, []
    places = np.atleast_1d(figure.subfigures(rows, columns)).ravel()
    return figure, list(places[: len(picture.parts)])


def _empty_figure(width: float, height: float) -> Figure:
    """A figure of that size in inches."""
    # a whole number of pixels must not become one less by its last digit
    size = (width + _LAST_DIGIT, height + _LAST_DIGIT)
    figure = Figure(figsize=size, dpi=style.DOTS_PER_INCH, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08)
    return figure


def _draw_part(place: FigureBase, picture: Picture, number: int) -> None:
    """Draw one part of an overview, the name of its scope above it."""
    scope, tables = picture.parts[number]
    columns = min(picture.kind.overview_columns, len(picture.parts))
    place.suptitle(
        style.short(scope, 50), x=0.01 * columns, ha="left", fontsize=10, color=style.FAINT
    )
    DRAWINGS[picture.kind.name](place, tables)


def _region(place: SubFigure, height: int) -> tuple[slice, slice]:
    """Rows and columns of the pixels of a part, from the upper left of a picture of that height."""
    left, bottom, right, top = (round(edge) for edge in place.bbox.extents)
    return slice(height - top, height - bottom), slice(left, right)


def _pixels(figure: Figure) -> Pixels:
    """Draw a figure, rows x columns x (red, green, blue)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _file(pixels: Pixels, metadata: PngInfo) -> bytes:
    """PNG file of pixels in at most 256 colours."""
    kinds, _ = _colours(pixels)
    small = Image.fromarray(np.searchsorted(kinds, _codes(pixels)).astype(np.uint8))
    small.putpalette(_from_codes(kinds).tobytes())
    content = io.BytesIO()
    small.save(content, format="png", optimize=True, pnginfo=metadata)
    return content.getvalue()


def _colours(pixels: Pixels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Codes of the colours there are, sorted, and how many pixels each has."""
    row = np.ascontiguousarray(pixels).reshape(1, -1, 3)
    found = Image.fromarray(row).getcolors(row.shape[1]) or []
    counts = np.array([count for count, _ in found], dtype=np.int64)
    codes = _codes(np.array([colour for _, colour in found], dtype=np.uint8).reshape(-1, 3))
    order = codes.argsort()
    return codes[order], counts[order]


def _codes(pixels: Pixels) -> npt.NDArray[np.int64]:
    """One number per pixel."""
    red, green, blue = (pixels[..., part].astype(np.int64) for part in range(3))
    codes: npt.NDArray[np.int64] = red << 16 | green << 8 | blue
    return codes


def _from_codes(codes: npt.NDArray[np.int64]) -> Pixels:
    """Colours of codes, colours x (red, green, blue)."""
    colours: Pixels = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(
        np.uint8
    )
    return colours


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is there in full or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
