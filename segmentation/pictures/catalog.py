"""Which pictures there are, drawn into a folder, each with its hash or with the reason why not."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import matplotlib as mpl
import numpy as np
import polars as pl
from joblib import Parallel, delayed
from matplotlib import style as mpl_style
from matplotlib.figure import Figure, FigureBase
from PIL import Image
from PIL import __version__ as pillow_version
from PIL.PngImagePlugin import PngInfo
from scipy.spatial.distance import cdist

from segmentation.pictures import drawings, style

PICTURES_SCHEMA: Final = pl.Schema(
    {
        "name": pl.String(),
        "kind": pl.String(),
        "lane": pl.String(),
        "scope": pl.String(),
        "format": pl.String(),
        "title": pl.String(),
        "description": pl.String(),
        "status": pl.String(),
        "reason": pl.String(),
        "path": pl.String(),
        "sha256": pl.String(),
    }
)

#: Raised by hand when a drawing changes, so that pictures on disk are drawn anew.
DRAWING_VERSION: Final = 3
#: Fewer pictures are drawn sooner than other processes start and import what they draw with.
MIN_PARALLEL: Final = 20
#: Of a PNG file, and how many of them are taken because most pixels have them.
N_COLOURS: Final = 256
N_FREQUENT: Final = 128
#: Where a PNG file keeps what it was drawn from.
_SOURCE_KEY: Final = "Source"
#: Scopes on an overview picture; the others have pictures of their own.
MAX_OVERVIEW: Final = 6

Format = Literal["png", "svg"]


@dataclass(frozen=True)
class Kind:
    """One kind of picture.

    `tables` are the ones it is drawn from, `explanation` says how to read it. `of_segments` is true
    for a picture of a category's segments, false for one of a lane's clusters. `size` is in inches.
    """

    name: str
    title: str
    explanation: str
    draw: Callable[[FigureBase, Mapping[str, pl.DataFrame]], None]
    tables: tuple[str, ...]
    of_segments: bool
    size: tuple[float, float]
    overview_columns: int = 2


KINDS: Final = (
    Kind(
        "search",
        "How many clusters",
        "Each index for each number of clusters tried. The band marks the chosen number; a "
        "hollow dot did not pass the gates (smallest cluster, stability).",
        drawings.draw_search,
        ("search",),
        of_segments=False,
        size=(9, 2.9),
        overview_columns=1,
    ),
    Kind(
        "silhouettes",
        "How well stores fit their clusters",
        "One line per store the model learned from, sorted within its cluster. Near 1: far "
        "from the next cluster; near 0: between two; below 0: nearer to another one.",
        drawings.draw_silhouettes,
        ("silhouettes",),
        of_segments=False,
        size=(8, 4.6),
    ),
    Kind(
        "components",
        "Stores on the first two components",
        "A dot per store in the colour of its cluster, a number at each centroid. Hollow: not"
        " learned from (outlier or too few sales), scored all the same.",
        drawings.draw_components,
        ("components", "centroids", "variance"),
        of_segments=False,
        size=(8, 5.2),
    ),
    Kind(
        "variance",
        "What the components explain",
        "Share of the variance that each component explains, and all up to it together.",
        drawings.draw_variance,
        ("variance",),
        of_segments=False,
        size=(8, 3.2),
    ),
    Kind(
        "profiles",
        "What sets the segments apart",
        "Mean of each segment against all stores of the category, in standard deviations: the"
        " features that separate the segments most, need states above, surroundings below. n/a: "
        "its stores have no value.",
        drawings.draw_profiles,
        ("profiles",),
        of_segments=True,
        size=(9, 5.2),
        overview_columns=1,
    ),
    Kind(
        "sizes",
        "How large the segments are",
        "Share of the category's stores and of its sales.",
        drawings.draw_sizes,
        ("segments",),
        of_segments=True,
        size=(9, 4.6),
        overview_columns=1,
    ),
    Kind(
        "mix",
        "What the segments sell",
        "Share of each need state in the sales of a store, on average over the stores of the "
        "segment; the largest need states of the category.",
        drawings.draw_mix,
        ("mix", "segments"),
        of_segments=True,
        size=(9, 4.4),
        overview_columns=1,
    ),
    Kind(
        "crosstab",
        "Both lanes and their segments",
        "Left: stores per internal and external cluster. Right: the segment each pair belongs"
        " to after small ones were dissolved; bold where the pair gives the segment its id. "
        "x: not known to the lane.",
        drawings.draw_crosstab,
        ("cells",),
        of_segments=True,
        size=(9, 3.8),
        overview_columns=1,
    ),
    Kind(
        "movements",
        "Who moved since the run before",
        "Stores by their segment in the run before (rows) and now (columns).",
        drawings.draw_movements,
        ("movements",),
        of_segments=True,
        size=(8, 4.4),
    ),
)

#: Where each table has its scope: rows of `lane` and `scope`, or of `category`.
Tables = Mapping[str, pl.DataFrame]


def scope_tables(tables: Tables, names: Sequence[str], lane: str, scope: str) -> Tables:
    """The rows of one scope, without the columns that name it."""
    found = {}
    for name in names:
        frame = tables[name]
        here = (
            (pl.col("lane") == lane) & (pl.col("scope") == scope)
            if "lane" in frame.columns
            else pl.col("category") == scope
        )
        found[name] = frame.filter(here).drop("lane", "scope", "category", strict=False)
    return found


def draw_all(tables: Tables, folder: str | Path, formats: Sequence[Format]) -> pl.DataFrame:
    """Draw every picture that is not in the folder already, drawn from the same rows.

    Parameters
    ----------
    tables
        What `segmentation.pictures.tables.picture_tables` prepares.
    folder
        Where the files go; made if it is not there.
    formats
        `png`, `svg` or both; none for no pictures at all.

    Returns
    -------
    polars.DataFrame
        Schema `PICTURES_SCHEMA`, one row per name and format, sorted. `name` is that of the kind
        for an overview (`lane` and `scope` are `all` then), with the scope behind it otherwise. A
        picture that could not be drawn has the status `failed`, one that had nothing to show
        `nothing to draw`, both with a reason.
    """
    orders = [
        (picture, Path(folder) / f"{picture.name}.{extension}", extension)
        for picture in _pictures(tables)
        for extension in formats
    ]
    stale = [order for order in orders if not _is_drawn(*order)]
    n_jobs = (os.cpu_count() or 1) if len(stale) >= MIN_PARALLEL else 1
    outcomes = dict(
        zip(
            [path for _, path, _ in stale],
            Parallel(n_jobs=n_jobs)(delayed(_drawn)(*order) for order in stale),
            strict=True,
        )
    )
    rows = []
    for picture, path, extension in orders:
        status, reason = outcomes.get(path, ("drawn", ""))
        is_drawn = status == "drawn"
        rows.append(
            (
                picture.name,
                picture.kind.name,
                picture.lane,
                picture.scope,
                extension,
                picture.title,
                picture.kind.explanation,
                status,
                reason,
                str(path) if is_drawn else None,
                hashlib.sha256(path.read_bytes()).hexdigest() if is_drawn else None,
            )
        )
    return pl.DataFrame(rows, schema=PICTURES_SCHEMA, orient="row").sort("name", "format")


def placeholder(kind: Kind, reason: str) -> bytes:
    """PNG file that stands where an overview would, and says why there is none."""
    with mpl_style.context(["default", style.RC]):
        figure = Figure(figsize=(9, 0.7), dpi=style.DOTS_PER_INCH, layout="constrained")
        style.headline(figure, kind.title, reason, 9)
        return _rendered(figure, "png", "")


@dataclass(frozen=True)
class _Picture:
    kind: Kind
    name: str
    lane: str
    scope: str
    title: str
    parts: tuple[tuple[str, Tables], ...]

    def figure(self) -> Figure:
        """Draw it, one part per scope."""
        width, height = self.kind.size
        columns = min(self.kind.overview_columns, len(self.parts))
        rows = -(-len(self.parts) // columns)
        scale = 1.0 if len(self.parts) == 1 else 0.78
        width = max(width, 9) if columns > 1 else width
        figure = Figure(
            figsize=(width, max(height * rows * scale, 2)),
            dpi=style.DOTS_PER_INCH,
            layout="constrained",
        )
        figure.get_layout_engine().set(h_pad=0.08, w_pad=0.08)
        style.headline(figure, self.title, self.kind.explanation, width)
        if len(self.parts) == 1:
            self.kind.draw(figure, self.parts[0][1])
            return figure
        places = np.atleast_1d(figure.subfigures(rows, columns)).ravel()
        for place, (scope, tables) in zip(places, self.parts, strict=False):
            place.suptitle(
                style.short(scope, 50), x=0.01 * columns, ha="left", fontsize=10, color=style.FAINT
            )
            self.kind.draw(place, tables)
        return figure

    def source(self) -> str:
        """Hash of everything that decides how the picture looks."""
        digest = hashlib.sha256(
            repr(
                (
                    DRAWING_VERSION,
                    mpl.__version__,
                    pillow_version,
                    self.name,
                    self.title,
                    self.kind.explanation,
                )
            ).encode()
        )
        for scope, tables in self.parts:
            digest.update(scope.encode())
            for name in sorted(tables):
                digest.update(name.encode())
                # in one chunk: Polars 2.1 writes no row of a frame whose first chunk is empty
                digest.update(tables[name].rechunk().write_json().encode())
        return digest.hexdigest()


def _pictures(tables: Tables) -> Iterator[_Picture]:
    """For each kind the overview, then the pictures of the scopes."""
    scopes = tables["scopes"].select("lane", "scope").sort("lane", "scope").rows()
    categories = tables["segments"]["category"].unique().sort().to_list()
    for kind in KINDS:
        parts = [
            (lane, scope, scope_tables(tables, kind.tables, lane, scope))
            for lane, scope in (
                [("merged", category) for category in categories] if kind.of_segments else scopes
            )
        ]
        full = [(scope, part) for _, scope, part in parts if not part[kind.tables[0]].is_empty()]
        if full:
            shown = tuple(full[:MAX_OVERVIEW])
            title = kind.title
            if len(shown) < len(full):
                title = f"{title}: the first {MAX_OVERVIEW} of {len(full)}"
            yield _Picture(kind, kind.name, "all", "all", title, shown)
        for lane, scope, part in parts:
            name = f"{kind.name}-{slug(lane, scope)}"
            yield _Picture(kind, name, lane, scope, f"{kind.title}: {scope}", ((scope, part),))


def slug(lane: str, scope: str) -> str:
    """Part of a file name that is safe on any disk and different for every scope."""
    plain = re.sub(r"[^a-z0-9]+", "-", scope.lower()).strip("-")[:40]
    digest = hashlib.sha256(f"{lane}\0{scope}".encode()).hexdigest()[:6]
    return f"{plain}-{digest}" if plain else digest


def _is_drawn(picture: _Picture, path: Path, extension: Format) -> bool:
    """Whether the file is there and was drawn from the same."""
    try:
        return path.is_file() and _source_of(path.read_bytes(), extension) == picture.source()
    except OSError:
        return False


def _drawn(picture: _Picture, path: Path, extension: Format) -> tuple[str, str]:
    """Draw and write a picture, return its status and the reason if there is none."""
    try:
        # from the defaults: PyCaret's libraries change the style of a process that imports them
        with mpl_style.context(["default", style.RC]):
            _replace(path, _rendered(picture.figure(), extension, picture.source()))
    except drawings.NothingToDrawError as nothing:
        return "nothing to draw", str(nothing)
    except Exception as error:
        # whatever it is: it is a row with its reason, and the other pictures are drawn
        return "failed", f"{type(error).__name__}: {error}"
    return "drawn", ""


def _replace(path: Path, content: bytes) -> None:
    """Write a file that is there in full or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _rendered(figure: Figure, extension: Format, source: str) -> bytes:
    content = io.BytesIO()
    if extension == "svg":
        figure.savefig(content, format="svg", metadata={_SOURCE_KEY: source, "Date": None})
        return content.getvalue()
    figure.savefig(content, format="png")
    with Image.open(content) as image:
        small = with_palette(image.convert("RGB"))
    metadata = PngInfo()
    metadata.add_text(_SOURCE_KEY, source)
    content = io.BytesIO()
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


def _source_of(content: bytes, extension: Format) -> str | None:
    """What a file on disk was drawn from."""
    if not content:
        return None
    if extension == "svg":
        found = re.search(rb"<dc:source>([0-9a-f]{64})</dc:source>", content)
        return found.group(1).decode() if found else None
    try:
        with Image.open(io.BytesIO(content)) as image:
            return str(image.info.get(_SOURCE_KEY))
    except OSError:
        return None
