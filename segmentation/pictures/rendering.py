"""One picture: the rows it is drawn from, and its file."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import numpy as np
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segmentation.pictures import style
from segmentation.pictures.kinds import Kind
from segmentation.pictures.tables import Tables
from segmentation.warehouse.code import folder_sha256

Format = Literal["png", "svg"]

#: Name of the metadata of a file that holds the hash of what it was drawn from.
SOURCE_KEY: Final = "Source"


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes
    ----------
    kind
        What it shows.
    name
        File name without its extension.
    lane, scope
        What it is about; both `all` for an overview.
    title
        Its headline.
    parts
        Per scope on it the name of the scope and the rows to draw.
    """

    kind: Kind
    name: str
    lane: str
    scope: str
    title: str
    parts: tuple[tuple[str, Tables], ...]

    def is_empty(self) -> bool:
        """Whether there are no rows to draw."""
        return all(tables[self.kind.tables[0]].is_empty() for _, tables in self.parts)

    @cached_property
    def source(self) -> str:
        """Hash of everything that decides how the picture looks: code, libraries and rows."""
        digest = hashlib.sha256()
        for text in (_drawn_by(), self.kind.name, self.title, *self._rows()):
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        return digest.hexdigest()

    def _rows(self) -> list[str]:
        """The rows of all parts, as text."""
        found = []
        for scope, tables in self.parts:
            found.append(scope)
            for name in sorted(tables):
                # in one chunk: Polars 2.1 writes no row of a frame whose first chunk is empty
                found += [name, tables[name].rechunk().write_json()]
        return found


def draw(picture: Picture, path: Path, extension: Format) -> tuple[str, str]:
    """Draw a picture and write its file; return its status and, if it failed, the reason."""
    try:
        # from the defaults: libraries that PyCaret imports change the style of the process
        with mpl_style.context(["default", style.RC]):
            figure = figure_of(picture)
            content = (
                _svg(figure, picture.source) if extension == "svg" else _png(figure, picture.source)
            )
            _replace(path, content)
    except Exception as error:
        # any error becomes a row with its reason, and the other pictures are drawn
        return "failed", f"{type(error).__name__}: {error}"
    return "drawn", ""


def source_of(path: Path, extension: Format) -> str | None:
    """Hash of what a file was drawn from; None if it is missing, incomplete or not ours."""
    try:
        content = path.read_bytes()
        if extension == "svg":
            found = re.search(rb"<dc:source>([0-9a-f]{64})</dc:source>", content)
            is_complete = content.rstrip().endswith(b"</svg>")
            return found.group(1).decode() if found and is_complete else None
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # fails if the file is truncated
            return str(image.info.get(SOURCE_KEY))
    except (OSError, SyntaxError):
        return None


def placeholder(kind: Kind, reason: str) -> bytes:
    """PNG file that replaces an overview and says why there is none."""
    with mpl_style.context(["default", style.RC]):
        figure = Figure(figsize=(9, 0.7), dpi=style.DOTS_PER_INCH, layout="constrained")
        style.headline(figure, kind.title, reason, 9)
        return _png(figure, "")


@cache
def _drawn_by() -> str:
    """Version of the code and the libraries that draw."""
    versions = [metadata.version(library) for library in ("matplotlib", "pillow")]
    return " ".join([folder_sha256(Path(__file__).parent), *versions])


def figure_of(picture: Picture) -> Figure:
    """The figure of one scope, or of several beside and below each other."""
    kind, n_parts = picture.kind, len(picture.parts)
    columns = min(kind.overview_columns, n_parts)
    width = max(kind.size[0], 9) if columns > 1 else kind.size[0]
    heights = [kind.height(tables) for _, tables in picture.parts]
    rows = [max(heights[start : start + columns]) for start in range(0, n_parts, columns)]
    scale = 1.0 if n_parts == 1 else 0.78
    figure = Figure(
        figsize=(width, max(sum(rows) * scale, 2)),
        dpi=style.DOTS_PER_INCH,
        layout="constrained",
    )
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08)
    style.headline(figure, picture.title, kind.explanation, width)
    if n_parts == 1:
        kind.draw(figure, picture.parts[0][1])
        return figure
    places = np.atleast_1d(figure.subfigures(len(rows), columns, height_ratios=rows)).ravel()
    for place, (scope, tables) in zip(places, picture.parts, strict=False):
        place.suptitle(
            style.short(scope, 50), x=0.01 * columns, ha="left", fontsize=10, color=style.FAINT
        )
        kind.draw(place, tables)
    return figure


def _svg(figure: Figure, source: str) -> bytes:
    """SVG file of a figure."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={SOURCE_KEY: source, "Date": None})
    return content.getvalue()


def _png(figure: Figure, source: str) -> bytes:
    """PNG file of a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    facts = PngInfo()
    facts.add_text(SOURCE_KEY, source)
    content = io.BytesIO()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    image.save(content, format="png", optimize=True, pnginfo=facts)
    return content.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
