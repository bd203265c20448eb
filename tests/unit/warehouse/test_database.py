from __future__ import annotations

import pytest

from segmentation.warehouse.database import DatabaseError, check_name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("it's.duckdb", "has a quote"),
        ("a\nb.duckdb", "has a quote, a semicolon or an invisible"),
        ("a#b.duckdb", "dbt takes what follows # or ? for no part"),
        ("a#1/b.duckdb", "dbt takes what follows # or ? for no part"),
        ("Main.duckdb", "Main is a name of DuckDB's own"),
        ("temp.duckdb", "temp is a name of DuckDB's own"),
    ],
)
def test_a_name_that_dbt_takes_for_another_is_refused(name: str, why: str) -> None:
    with pytest.raises(DatabaseError, match="STORE_SEGMENTS_DB: ") as raised:
        check_name(f"/shop/{name}")
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["stores.duckdb", "Läden 2026.db", "a.b.duckdb", "segments"])
def test_other_names_are_accepted(name: str) -> None:
    check_name(f"/shop's/{name}")
