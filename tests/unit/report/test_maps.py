"""Maps of the stores."""

from __future__ import annotations

import re

import duckdb
import polars as pl
import pytest

from segmentation.report.maps import MAX_HEIGHT, WIDTH, coordinates, store_map

SEGMENTS = pl.DataFrame({"store_id": ["A", "B", "C"], "segment_id": ["1-1", "1-1", "2-1"]})


def dots(svg: str) -> list[tuple[str, int, int]]:
    """Class and place of each dot."""
    return [
        (name, int(x), int(y))
        for name, x, y in re.findall(r'class="(c\d)" cx="(\d+)" cy="(\d+)"', svg)
    ]


def test_every_store_with_coordinates_is_a_dot_in_the_color_of_its_segment() -> None:
    places = pl.DataFrame(
        {"store_id": ["A", "C", "D"], "latitude": [50.0, 51.0, 52.0], "longitude": [8.0, 9.0, 9.0]}
    )
    found = dots(store_map(places, SEGMENTS, {"1-1": 0, "2-1": 1}))
    assert [name for name, *_ in found] == ["c0", "c1"]
    (_, west, south), (_, east, north) = found
    assert west < east
    assert north < south


def test_a_degree_of_longitude_shrinks_with_the_latitude() -> None:
    places = pl.DataFrame(
        {
            "store_id": ["A", "B", "C"],
            "latitude": [59.5, 60.5, 59.5],
            "longitude": [10.0, 10.0, 12.0],
        }
    )
    (_, x, y), (_, _, top), (_, right, _) = dots(store_map(places, SEGMENTS, {"1-1": 0, "2-1": 1}))
    assert right - x == pytest.approx(y - top, rel=0.02)  # cos(60 degrees) is a half


@pytest.mark.parametrize("latitudes", [[50.0, 50.0], [-90.0, 90.0]])
def test_a_map_fits_its_frame_whatever_the_shape_of_the_chain(latitudes: list[float]) -> None:
    places = pl.DataFrame({"store_id": ["A", "B"], "latitude": latitudes, "longitude": [8.0, 8.0]})
    svg = store_map(places, SEGMENTS, {"1-1": 0, "2-1": 1})
    width, height = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0])
    assert 0 < width <= WIDTH
    assert 0 < height <= MAX_HEIGHT


def test_without_coordinates_there_is_no_map() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create schema features; create table features.int_external_cells as"
            " from (values ('A', 'income', 5.0), ('B', 'lat', 200.0))"
            " as t (store_id, column_name, number)"
        )
        places = coordinates(connection)
    assert places.is_empty()
    assert store_map(places, SEGMENTS, {"1-1": 0, "2-1": 1}) == ""


def test_coordinates_are_found_by_the_usual_names() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create schema features; create table features.int_external_cells as"
            " from (values ('A', 'Latitude', 50.0), ('A', 'lng', 8.0))"
            " as t (store_id, column_name, number)"
        )
        assert coordinates(connection).rows() == [("A", 50.0, 8.0)]
