"""`make matched-stores` on a small database."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pytest

from scripts.matched_stores import main
from segmentation.evaluation.simulation import simulated_chain

from ..evaluation.helpers import sales_of

STARTS_ON = "2000-07-03"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of 90 stores, of which the first 25 sell half as much again in the second half."""
    path = tmp_path_factory.mktemp("chain") / "stores.duckdb"
    chain, _ = simulated_chain(n_stores=90, n_groups=1, baskets_per_period=400)
    chain.amounts[:25, 13:] *= 1.5
    with duckdb.connect(str(path)) as connection:
        sales = sales_of({"Tea": chain}, connection)
        connection.execute("create schema features; create schema segments")
        sales.create("features.int_sales_by_period")
        connection.execute(
            "create table segments.store_segments as"
            " select distinct category, store_id, '1-1' as segment_id"
            " from features.int_sales_by_period"
        )
    return path


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("Store_ID\n" + "\n".join(f"S{number:05d}" for number in range(25)))
    return path


@pytest.mark.parametrize("options", [[], ["--category", "Tea", "--within-segments"]])
def test_a_planted_effect_is_measured(
    database: Path,
    ids: Path,
    tmp_path: Path,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    given = [str(ids), STARTS_ON, "--database", str(database), "--output", str(output), *options]
    assert main(given) == 0
    assert "25 test stores: sales changed by +" in capsys.readouterr().out
    effect = pl.read_csv(output / "effect.csv")
    assert abs(effect["effect"].item() - 0.5) < 0.1
    matches = pl.read_csv(output / "matches.csv")
    assert matches.height == 250
    assert set(matches["control_store_id"]).isdisjoint(ids.read_text().split())
    assert pl.read_csv(output / "balance.csv")["standardized_difference"].is_finite().all()


def test_stores_chosen_by_their_past_get_a_warning(
    database: Path, ids: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(ids), STARTS_ON, "--database", str(database), "--output", str(tmp_path)]
    assert main([*given, "--chosen-by-past"]) == 0
    assert "regression to the mean" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "S00001\nno such store",
            [],
            "1 of 2 test stores have no sales, for example no such store, while ids look like",
        ),
        ("store_id\n\n", [], "has no store ids; give one per line"),
        ("S00001", ["--category", "Coffee"], "'Coffee' is not a category with dated sales"),
        ("S00001", ["--within-segments"], "name one with --category"),
        ("S00001", ["--database", "missing.duckdb"], "missing.duckdb"),
    ],
)
def test_what_a_person_can_get_wrong_is_one_message(
    database: Path,
    tmp_path: Path,
    content: str,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(content)
    given = [str(ids), STARTS_ON, "--database", str(database), "--output", str(tmp_path)]
    assert main([*given, *options]) == 2
    assert message in capsys.readouterr().err
