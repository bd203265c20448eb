"""Which pictures there are, drawn into a folder, each with its hash or with the reason why not."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import polars as pl
from PIL import Image

from segmentation.pictures.tables import Tables
from segmentation.run.processes import PICTURES
from segmentation.warehouse.libraries import importing

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
DRAWING_VERSION: Final = 5
#: Fewer scopes on pictures are drawn sooner than another process starts and imports Matplotlib.
PARTS_PER_PROCESS: Final = 10
#: Where a PNG file keeps what it was drawn from.
SOURCE_KEY: Final = "Source"
#: Where it keeps what the frame and each part were drawn from.
PARTS_KEY: Final = "Parts"
#: Scopes on an overview picture; the others have pictures of their own.
MAX_OVERVIEW: Final = 6

Format = Literal["png", "svg"]


@dataclass(frozen=True)
class Kind:
    """One kind of picture.

    `tables` are the ones it is drawn from; where the first has no rows there is nothing to draw,
    and `if_empty` says why. `explanation` says how to read it. `of_segments` is true for a picture
    of a category's segments, false for one of a lane's clusters. `size` is in inches.
    """

    name: str
    title: str
    explanation: str
    tables: tuple[str, ...]
    if_empty: str
    of_segments: bool
    size: tuple[float, float]
    overview_columns: int = 2


KINDS: Final = (
    Kind(
        "search",
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
        "How well stores fit their clusters",
        "One line per store the model learned from, sorted within its cluster. Near 1: far "
        "from the next cluster; near 0: between two; below 0: nearer to another one.",
        ("silhouettes",),
        "the scope has a single cluster",
        of_segments=False,
        size=(8, 4.6),
    ),
    Kind(
        "components",
        "Stores on the first two components",
        "A dot per store in the colour of its cluster, a number at each centroid. Hollow: not"
        " learned from (outlier or too few sales), scored all the same.",
        ("components", "centroids", "variance"),
        "no store has component scores",
        of_segments=False,
        size=(8, 5.2),
    ),
    Kind(
        "variance",
        "What the components explain",
        "Share of the variance that each component explains, and all up to it together.",
        ("variance",),
        "the model has no components",
        of_segments=False,
        size=(8, 3.2),
    ),
    Kind(
        "profiles",
        "What sets the segments apart",
        "Mean of each segment against all stores of the category, in standard deviations: the"
        " features that separate the segments most, need states above, surroundings below. n/a: "
        "its stores have no value.",
        ("profiles",),
        "the category has no profiles",
        of_segments=True,
        size=(9, 5.2),
        overview_columns=1,
    ),
    Kind(
        "sizes",
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
        "What the segments sell",
        "Share of each need state in the sales of a store, on average over the stores of the "
        "segment; the largest need states of the category.",
        ("mix", "segments"),
        "the category has no need states",
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
        ("cells",),
        "the category has no segments",
        of_segments=True,
        size=(9, 3.8),
        overview_columns=1,
    ),
    Kind(
        "movements",
        "Who moved since the run before",
        "Stores by their segment in the run before (rows) and now (columns).",
        ("movements",),
        "no store has moved since the run before, or there is none",
        of_segments=True,
        size=(8, 4.4),
    ),
)


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
    stale = [order for order in orders if not order[0].is_empty() and not _is_drawn(*order)]
    # from the largest, so that all processes end at about the same time
    stale.sort(key=lambda order: -len(order[0].parts))
    outcomes = dict(zip([path for _, path, _ in stale], _drawn(stale), strict=True))
    rows = []
    for picture, path, extension in orders:
        status, reason = (
            ("nothing to draw", picture.kind.if_empty)
            if picture.is_empty()
            else outcomes.get(path, ("drawn", ""))
        )
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


@dataclass(frozen=True)
class Picture:
    """One picture: its kind, whose it is, and per scope on it the rows it is drawn from."""

    kind: Kind
    name: str
    lane: str
    scope: str
    title: str
    parts: tuple[tuple[str, Tables], ...]

    def is_empty(self) -> bool:
        """Whether there are no rows to draw it from."""
        return all(tables[self.kind.tables[0]].is_empty() for _, tables in self.parts)

    @cached_property
    def sources(self) -> list[str]:
        """Hashes of all that decides how the picture looks: around its parts, and of each part."""
        facts = (DRAWING_VERSION, *_versions(), self.kind, self.name, self.title, len(self.parts))
        found = [hashlib.sha256(repr(facts).encode()).hexdigest()]
        for scope, tables in self.parts:
            digest = hashlib.sha256(scope.encode())
            for name in sorted(tables):
                digest.update(name.encode())
                # in one chunk: Polars 2.1 writes no row of a frame whose first chunk is empty
                digest.update(tables[name].rechunk().write_json().encode())
            found.append(digest.hexdigest())
        return found

    def source(self) -> str:
        """All of them in one."""
        return hashlib.sha256(" ".join(self.sources).encode()).hexdigest()


def _pictures(tables: Tables) -> Iterator[Picture]:
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
            yield Picture(kind, kind.name, "all", "all", title, shown)
        for lane, scope, part in parts:
            name = f"{kind.name}-{slug(lane, scope)}"
            yield Picture(kind, name, lane, scope, f"{kind.title}: {scope}", ((scope, part),))


@cache
def _versions() -> tuple[str, ...]:
    """Versions of the libraries that draw."""
    return tuple(metadata.version(library) for library in ("matplotlib", "pillow"))


def slug(lane: str, scope: str) -> str:
    """Part of a file name that is safe on any disk and different for every scope."""
    plain = re.sub(r"[^a-z0-9]+", "-", scope.lower()).strip("-")[:40]
    digest = hashlib.sha256(f"{lane}\0{scope}".encode()).hexdigest()[:6]
    return f"{plain}-{digest}" if plain else digest


def file_problem(path: str | Path, sha256: str) -> str:
    """Why a picture's file cannot be shown; empty if it is the file that the build wrote.

    Parameters
    ----------
    path, sha256
        As `segment_plots` has them.
    """
    try:
        content = Path(path).read_bytes()
    except OSError:
        return "the file is missing"
    if hashlib.sha256(content).hexdigest() != sha256:
        return "the file has changed since the build wrote it"
    return ""


def _is_drawn(picture: Picture, path: Path, extension: Format) -> bool:
    """Whether the file is there and was drawn from the same."""
    try:
        return path.is_file() and _source_of(path.read_bytes(), extension) == picture.source()
    except OSError:
        return False


def _drawn(orders: Sequence[tuple[Picture, Path, Format]]) -> list[tuple[str, str]]:
    """Draw pictures, return the status of each and the reason if there is none."""
    n_parts = sum(len(picture.parts) for picture, _, _ in orders)
    if n_parts >= 2 * PARTS_PER_PROCESS:
        with importing():
            from joblib import cpu_count  # noqa: PLC0415
        PICTURES.start(min(cpu_count(), n_parts // PARTS_PER_PROCESS))
    return list(PICTURES.each(_draw, orders))


def _draw(picture: Picture, path: Path, extension: Format) -> tuple[str, str]:
    """Draw one picture, return its status and the reason if there is none."""
    with importing():
        from segmentation.pictures.rendering import draw  # noqa: PLC0415 (Matplotlib)
    return draw(picture, path, extension)


def _source_of(content: bytes, extension: Format) -> str | None:
    """What a file on disk was drawn from."""
    if not content:
        return None
    if extension == "svg":
        found = re.search(rb"<dc:source>([0-9a-f]{64})</dc:source>", content)
        is_whole = content.rstrip().endswith(b"</svg>")
        return found.group(1).decode() if found and is_whole else None
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()  # fails if the file has been cut off
            return str(image.info.get(SOURCE_KEY))
    except (OSError, SyntaxError):
        return None
