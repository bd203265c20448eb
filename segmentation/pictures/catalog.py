"""Which pictures there are, drawn into a folder; each with its hash or the reason it is missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from joblib import cpu_count

from segmentation.fitting.processes import each_in_processes
from segmentation.pictures.drawings import KINDS
from segmentation.pictures.rendering import Format, Picture, draw, source_of
from segmentation.pictures.tables import Tables

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

#: Scopes on pictures per worker process: fewer are drawn sooner than a process starts.
_PARTS_PER_PROCESS: Final = 10
#: Scopes on an overview picture; the others have pictures of their own.
MAX_OVERVIEW: Final = 6


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
        for picture in pictures(tables)
        for extension in formats
    ]
    stale = [
        (picture, path, extension)
        for picture, path, extension in orders
        if not picture.is_empty() and source_of(path, extension) != picture.source
    ]
    # from the largest, so that all processes end at about the same time
    stale.sort(key=lambda order: -len(order[0].parts))
    n_parts = sum(len(picture.parts) for picture, _, _ in stale)
    n_workers = min(cpu_count(), n_parts // _PARTS_PER_PROCESS)
    outcomes = dict(
        zip([path for _, path, _ in stale], each_in_processes(draw, stale, n_workers), strict=True)
    )
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


def pictures(tables: Tables) -> Iterator[Picture]:
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
