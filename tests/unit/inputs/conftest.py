"""A database for the tables of texts."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect with one thread; starting more takes longer than the work."""
    with duckdb.connect(config={"threads": 1}) as opened:
        yield opened
