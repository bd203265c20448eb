"""Charts of the report."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from segmentation.pictures.drawings import MAX_POINTS
from segmentation.report.charts import components_chart


def tables(n: int = 30) -> dict[str, pl.DataFrame]:
    """Stores of two clusters, the first one an outlier and the second one thin."""
    coordinates = np.random.default_rng(3).normal(size=(n, 2))
    return {
        "components": pl.DataFrame(
            {
                "store_id": [f"S{number}" for number in range(n)],
                "first": coordinates[:, 0],
                "second": coordinates[:, 1],
                "cluster": [number % 2 + 1 for number in range(n)],
                "is_outlier": [number == 0 for number in range(n)],
                "is_thin_history": [number == 1 for number in range(n)],
            }
        ),
        "centroids": pl.DataFrame({"cluster": [1, 2], "first": [-1.0, 1.0], "second": [0.0, 0.0]}),
        "variance": pl.DataFrame({"component": [1, 2], "share": [0.5, 0.25]}),
    }


def test_every_store_is_one_point_that_says_its_id_and_why_it_did_not_count() -> None:
    data = json.loads(components_chart(tables(), "Snacks"))["data"]
    said = [text for trace in data[:-1] for text in trace["text"]]
    assert len(said) == 30
    assert {text.removeprefix("<b>").split("</b>")[0] for text in said} == {
        f"S{number}" for number in range(30)
    }
    assert "<b>S0</b><br>outlier" in said
    assert "<b>S1</b><br>too few sales" in said
    hollow = [trace for trace in data[:-1] if trace["marker"]["symbol"] == "circle-open"]
    assert sorted(text for trace in hollow for text in trace["text"]) == [
        "<b>S0</b><br>outlier",
        "<b>S1</b><br>too few sales",
    ]


def test_points_stand_where_the_components_say() -> None:
    given = tables()
    data = json.loads(components_chart(given, "Snacks"))["data"]
    found = {
        text.removeprefix("<b>").split("</b>")[0]: (x, y)
        for trace in data[:-1]
        for text, x, y in zip(trace["text"], trace["x"], trace["y"], strict=True)
    }
    for store, first, second in given["components"].select("store_id", "first", "second").rows():
        np.testing.assert_allclose(found[store], (first, second), atol=5e-4)


def test_names_are_text_for_plotly_and_for_the_page() -> None:
    given = tables()
    hostile = "</script><a href='x'>&"
    given["components"] = given["components"].with_columns(
        store_id=pl.lit(hostile), segment=pl.lit(hostile)
    )
    written = components_chart(given, hostile)
    assert "<" not in written
    figure = json.loads(written)
    escaped = "&lt;/script&gt;&lt;a href=&#x27;x&#x27;&gt;&amp;"
    assert figure["layout"]["title"]["text"] == f"<b>{escaped}</b>"
    assert escaped in figure["data"][0]["text"][0].split("<br>")


def test_more_stores_than_can_be_told_apart_are_a_seeded_sample() -> None:
    written = components_chart(tables(MAX_POINTS + 500), "Snacks")
    assert sum(len(trace["x"]) for trace in json.loads(written)["data"][:-1]) == MAX_POINTS
    assert written == components_chart(tables(MAX_POINTS + 500), "Snacks")


def test_numbers_of_clusters_do_not_hide_each_other() -> None:
    given = tables()
    given["centroids"] = given["centroids"].with_columns(first=0.0, second=0.0)
    numbers = json.loads(components_chart(given, "Snacks"))["data"][-1]
    assert numbers["text"] == ["1", "2"]
    assert numbers["x"][0] != numbers["x"][1]
