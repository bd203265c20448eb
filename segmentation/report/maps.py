"""Maps of the stores, drawn without a tile server."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, radians
from typing import Final

import duckdb
import polars as pl

#: Names of columns with coordinates in degrees.
LATITUDES: Final = ("latitude", "lat")
LONGITUDES: Final = ("longitude", "lon", "lng", "long")
WIDTH: Final = 800
#: A map higher than wide is no higher than this.
MAX_HEIGHT: Final = 700
MARGIN: Final = 12
RADIUS: Final = 5

_COORDINATES: Final = """
select
    store_id,
    max(number) filter (where lower(column_name) in (select unnest($latitudes))) as latitude,
    max(number) filter (where lower(column_name) in (select unnest($longitudes))) as longitude
from features.int_external_cells
group by store_id
having latitude between -90 and 90 and longitude between -180 and 180
order by store_id
"""


def coordinates(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Places of the stores whose external data have them.

    Returns
    -------
    polars.DataFrame
        store_id, latitude and longitude in degrees, sorted; no rows without coordinates.
    """
    return connection.execute(
        _COORDINATES, {"latitudes": [*LATITUDES], "longitudes": [*LONGITUDES]}
    ).pl()


def store_map(places: pl.DataFrame, segments: pl.DataFrame, colours: Mapping[str, int]) -> str:
    """An SVG with a dot per store in the color of its segment; empty without coordinates.

    The projection is equirectangular, true to scale at the middle latitude (Snyder 1987,
    chapter 12).

    Parameters
    ----------
    places
        store_id, latitude, longitude.
    segments
        store_id, segment_id.
    colours
        Number of the color of each segment.
    """
    stores = places.join(segments, on="store_id").sort("store_id")
    if stores.height < 2:  # noqa: PLR2004 (one dot is no map)
        return ""
    latitudes, longitudes = stores["latitude"].to_numpy(), stores["longitude"].to_numpy()
    middle = radians((latitudes.min() + latitudes.max()) / 2)
    across = (longitudes - longitudes.min()) * cos(middle)
    down = latitudes.max() - latitudes
    extent = max(across.max(), 1e-9), max(down.max(), 1e-9)
    scale = min((WIDTH - 2 * MARGIN) / extent[0], (MAX_HEIGHT - 2 * MARGIN) / extent[1])
    width = extent[0] * scale + 2 * MARGIN
    height = extent[1] * scale + 2 * MARGIN
    dots = "".join(
        f'<circle class="c{colours[segment]}" cx="{x:.0f}" cy="{y:.0f}" r="{RADIUS}"/>'
        for segment, x, y in zip(
            stores["segment_id"], across * scale + MARGIN, down * scale + MARGIN, strict=True
        )
    )
    return (
        f'<svg class="map" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="Map of {stores.height:,} stores in the colors of their segments">'
        f"{dots}</svg>"
    )
