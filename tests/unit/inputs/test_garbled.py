"""Names in the wrong encoding: never used without a word."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from segmentation.inputs.garbled import garbled_names

from .helpers import check, sales

NAMES = ("Café", "Crème brûlée", "Käse", "Müsli", "Jalapeños", "Smörgås")
PRODUCTS = "product_id,category,need_state\n" + "".join(
    f"p{place},Food,{name}\n" for place, name in enumerate(NAMES)
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_names_in_the_usual_encodings_are_left_alone(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, encoding: str
) -> None:
    files: dict[str, str | bytes] = {
        "products": PRODUCTS.encode(encoding),
        "sales": sales("1.5"),
    }
    report = check(connection, tmp_path, files)
    assert report.problems["products"] == []
    assert not any("garbled" in text for text in report.remarks["products"])


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("cp850", ("Café", "Käse", "Smörgås")), ("mac_roman", ("Café", "Crème", "Bébé"))],
)
def test_names_in_another_encoding_are_refused_with_the_setting_that_reads_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, encoding: str, names: tuple[str, ...]
) -> None:
    rows = "".join(f"p{place},Food,{name}\n" for place, name in enumerate(names))
    products = f"product_id,category,need_state\n{rows}".encode(encoding)
    files: dict[str, str | bytes] = {"products": products, "sales": sales("1.5")}
    (problem,) = check(connection, tmp_path, files).problems["products"]
    assert ("look garbled" in problem) or ("has no meaning there" in problem)
    assert encoding in problem
    report = check(connection, tmp_path, files, encodings={"products": encoding})
    assert report.problems["products"] == []
    relation = report.plans["products"].relation
    found = connection.execute(f"select need_state from {relation}").fetchall()
    assert {name for (name,) in found} == {*names}


def test_names_that_were_encoded_twice_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    twice = PRODUCTS.encode().decode("cp1252").encode()
    files: dict[str, str | bytes] = {"products": twice, "sales": sales("1.5")}
    (problem,) = check(connection, tmp_path, files).problems["products"]
    assert "6 name(s) in products.need_state look garbled" in problem
    assert "such as 'CafÃ©', which may be 'Café'; export the file as UTF-8, or set" in problem
    formats = {"products": {"need_state": "category"}}
    assert check(connection, tmp_path, files, formats=formats).problems["products"] == []


def test_one_garbled_name_among_many_is_pointed_out(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    good = "".join(f"x{n},Food,Thé {n}\n" for n in range(20))
    report = check(
        connection,
        tmp_path,
        {"products": PRODUCTS + good + "p9,Food,CafÃ©\n", "sales": sales("1.5")},
    )
    assert report.problems["products"] == []
    assert any("'CafÃ©', which may be 'Café'" in text for text in report.remarks["products"])


@pytest.mark.parametrize(
    "name",
    [
        "l\u2019eau",
        "Coca-Cola™",
        "“Best”",
        "5 m²",
        "½ Liter",
        "MAÇÃ",
        "ŽIVILA",
        "Šunka",
        "Wait…",
        "25 °C",
    ],
)
def test_signs_that_names_can_have_are_not_garbled(name: str) -> None:
    assert garbled_names([name], is_windows_1252=True) is None


def test_a_character_that_another_program_has_lost_is_garbled() -> None:
    found = garbled_names(["Caf\ufffd", "Thé"], is_windows_1252=False)
    assert found is not None
    assert (found.n_names, found.share, found.meant) == (1, 0.5, "")
