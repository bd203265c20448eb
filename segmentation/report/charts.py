"""Charts that say which store is which when pointed at, where a picture cannot."""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.offline import get_plotlyjs

from segmentation.pictures.drawings import axis_titles, numbers_apart, shown_stores
from segmentation.pictures.style import FAINT, GRID, INK, colour

#: Digits of a coordinate: more cannot be seen.
DIGITS = 3
#: Of a title.
CHARACTERS_ON_A_PHONE = 38


def library() -> str:
    """Plotly's script, to be embedded in the file."""
    return str(get_plotlyjs())


def components_chart(tables: Mapping[str, pl.DataFrame], title: str) -> str:
    """Stores on the first two components, each with its id, as JSON for `Plotly.newPlot`.

    Parameters
    ----------
    tables
        `components`, `centroids` and `variance` of one scope (`pictures.tables.component_tables`);
        where the stores have a `segment`, `segment_id` and `segment_place`, the dots have the
        colors of the segments, otherwise those of the clusters.
    title
        What stands above it.

    Returns
    -------
    str
        Data and layout. Names of the data are escaped: Plotly reads tags in texts.
    """
    stores = shown_stores(tables["components"]).with_columns(
        pl.col("first", "second").round(DIGITS),
        is_left_out=pl.col("is_outlier") | pl.col("is_thin_history"),
        said=pl.struct(
            pl.col("store_id", "is_outlier", "is_thin_history", "^segment$")
        ).map_elements(_said, return_dtype=pl.String),
    )
    traces: list[go.Scatter] = []
    if "segment_id" in stores.columns and stores["segment_id"].null_count() == 0:
        groups = stores.select(
            pl.col("segment_place").alias("place"), pl.col("segment_id").alias("group")
        )
    else:
        groups = stores.select(
            (pl.col("cluster").rank("dense") - 1).alias("place"),
            pl.format("cluster {}", "cluster").alias("group"),
        )
    stores = stores.with_columns(groups)
    for position, group in groups.unique().sort("place").iter_rows():
        for is_left_out in (False, True):
            part = stores.filter(group=group, is_left_out=is_left_out)
            traces.append(
                go.Scatter(
                    x=part["first"].to_list(),
                    y=part["second"].to_list(),
                    text=part["said"].to_list(),
                    mode="markers",
                    marker={
                        "color": colour(position),
                        "size": 8,
                        "opacity": 1 if is_left_out else 0.75,
                        "symbol": "circle-open" if is_left_out else "circle",
                    },
                    customdata=part["cluster"].to_list(),
                    name=html.escape(group),
                    legendgroup=html.escape(group),
                    showlegend=not is_left_out,
                    hovertemplate="%{text}<br>cluster %{customdata}<extra></extra>",
                )
            )
    centroids = tables["centroids"]
    dots = stores.select("first", "second").to_numpy()
    places = numbers_apart(
        centroids.select("first", "second").to_numpy(), dots.min(axis=0), dots.max(axis=0)
    )
    traces.append(
        go.Scatter(
            x=places[:, 0].round(DIGITS).tolist(),
            y=places[:, 1].round(DIGITS).tolist(),
            text=centroids["cluster"].cast(pl.String).to_list(),
            mode="markers+text",
            marker={"color": "white", "size": 22, "line": {"color": INK, "width": 1}},
            textfont={"size": 13, "weight": "bold"},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    across, up = axis_titles(tables["variance"])
    lines = textwrap.wrap(title, CHARACTERS_ON_A_PHONE)
    axis = {"zeroline": False, "gridcolor": GRID, "linecolor": FAINT}
    layout = go.Layout(
        template="none",
        title={
            "text": "<br>".join(f"<b>{html.escape(line)}</b>" for line in lines),
            "x": 0.01,
            "xanchor": "left",
            "font": {"size": 15},
        },
        font={"color": INK, "family": "system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif"},
        hoverlabel={"align": "left"},
        xaxis={**axis, "title": {"text": across}},
        yaxis={**axis, "title": {"text": up}},
        margin={"l": 60, "r": 20, "t": 30 + 20 * len(lines), "b": 50},
        hovermode="closest",
    )
    figure: dict[str, Any] = json.loads(go.Figure(traces, layout).to_json())
    # nothing in the data may end the script element it stands in
    return json.dumps(figure, separators=(",", ":")).replace("<", "\\u003c")


def _said(store: dict[str, Any]) -> str:
    """Text of the tooltip: the store, its segment, why it was not learned from."""
    said = [f"<b>{html.escape(store['store_id'])}</b>"]
    if store.get("segment"):
        said.append(html.escape(store["segment"]))
    said += [
        words
        for flag, words in (("is_outlier", "outlier"), ("is_thin_history", "too few sales"))
        if store[flag]
    ]
    return "<br>".join(said)
