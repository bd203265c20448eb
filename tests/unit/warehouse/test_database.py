from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from segmentation.warehouse.database import (
    DatabaseError,
    check_name,
    opened_to_read,
    wait_until_free,
)
from tests.integration.helpers import is_listed, no_file

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"


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


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of several blocks."""
    path = tmp_path / "stores.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select hash(i) as x from range(200_000) r(i)")
    return path


@pytest.mark.parametrize(
    ("start", "n_left", "said"),
    [
        (0, None, "not a valid DuckDB database file"),
        (4096, None, "Corrupt database file"),
        (4096 * 3, None, "Corrupt database file"),
        (None, 0.3, "Could not read enough bytes"),
        (None, 0, "not a valid DuckDB database file"),
    ],
)
def test_a_damaged_file_is_one_message_that_the_runbook_has(
    database: Path, start: int | None, n_left: float | None, said: str
) -> None:
    content = database.read_bytes()
    if start is not None:
        content = content[:start] + b"\xff" * (len(content) - start)
    if n_left is not None:
        content = content[: int(len(content) * n_left)]
    database.write_bytes(content)
    assert f"`{said}`" in RUNBOOK.read_text(encoding="utf-8")
    with (
        pytest.raises(DatabaseError, match=said) as read,
        opened_to_read(database) as connection,
    ):
        connection.execute("select sum(x) from t")
    with pytest.raises(DatabaseError, match=said) as built:
        wait_until_free(str(database), 0)
    assert "\n" not in f"{read.value}{built.value}"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = no_file(kind, tmp_path / "stores.duckdb")
    with pytest.raises(DatabaseError) as read, opened_to_read(path):
        pass
    with pytest.raises(DatabaseError) as built:
        wait_until_free(str(path), 0)
    assert str(read.value) == str(built.value)
    assert str(read.value) == (
        f"{path} is a folder, a pipe or a device, and no file; STORE_SEGMENTS_DB names a file"
    )
    assert is_listed(str(read.value))
