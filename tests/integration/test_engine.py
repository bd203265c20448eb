"""Sales that stay on an existing engine: the same tables as a local build, or a clear refusal."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pytest
from deltalake import write_deltalake

from segmentation.engine import tasks
from segmentation.engine.options import EngineError, EngineOptions
from segmentation.engine.sales import EngineSales
from segmentation.engine.session import Engine
from segmentation.inputs.check import check_data
from segmentation.inputs.names import InputError
from segmentation.inputs.on_engine import read_sales
from segmentation.inputs.options import InputOptions
from segmentation.warehouse.fingerprints import Fingerprint, differing_tables, relation_fingerprint

from .helpers import OWN_INPUTS, QUICK, REPOSITORY, Project, is_listed, small_inputs
from .sail import Sail

#: Everything that reads the rows of the sales before there are segments, and what it is judged by.
_SALES: Final = (
    "--exclude-resource-type",
    "unit_test",
    "--indirect-selection",
    "cautious",
    "--select",
    "+int_rejected_rows",
    "+int_sales_by_period",
    "+data_reconciliation",
    "+input_profile",
    "+sales_are_accounted_for",
)


@pytest.fixture(scope="module")
def sail() -> Iterator[Sail]:
    with Sail() as server:
        yield server


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Vars of the example, its sales in three Parquet files."""
    folder = tmp_path_factory.mktemp("example")
    seeds = {path.stem[4:]: path for path in (REPOSITORY / "seeds").glob("raw_*.csv")}
    sales = pl.read_csv(seeds.pop("sales"), infer_schema=False)
    (folder / "sales").mkdir()
    n_rows = -(-len(sales) // 3)
    for place, part in enumerate(sales.iter_slices(n_rows)):
        part.write_parquet(folder / "sales" / f"{place}.parquet")
    inputs = {name: str(path) for name, path in seeds.items()}
    return {
        "inputs": {**inputs, "sales": f"{folder}/sales/*.parquet"},
        "segmentation": {**QUICK, "min_cluster_size": 5},
    }


def test_the_example_is_the_same_built_here_and_on_an_engine(
    sail: Sail, example: dict[str, Any], tmp_path: Path
) -> None:
    here, there = Project(tmp_path / "here"), Project(tmp_path / "there")
    here.build(*OWN_INPUTS, variables=example)
    shared = tmp_path / "shared"
    variables = {**example, "engine": sail.engine(shared)}
    variables["segmentation"] = {**example["segmentation"], "fit_on": "engine"}
    run = there.build(*OWN_INPUTS, variables=variables)
    assert "Traceback" not in run.shown
    fingerprints = here.fingerprints()
    assert len(fingerprints) > 60
    assert differing_tables(fingerprints, there.fingerprints()) == []
    assert not any(shared.iterdir())


def built(project: Project, variables: dict[str, Any], **more: Any) -> dict[str, Fingerprint]:
    """Build what reads the rows of the sales; the fingerprint of each table."""
    run = project.dbt("build", *_SALES, variables={**variables, **more})
    assert run.success, run.shown
    with duckdb.connect(str(project.database), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name in"
            " ('staging', 'features') or table_name in"
            " ('rejected_rows', 'data_reconciliation', 'input_profile')"
        ).fetchall()
        return {name: relation_fingerprint(connection, name) for (name,) in tables}


def numeric_ids(folder: Path) -> None:
    """Numbers that are no amounts, days with times, and files that differ in their columns."""
    nan, inf = float("nan"), float("inf")
    many = 300
    plain = pl.DataFrame(
        {
            # ids as numbers, some missing
            "Store ID": pl.Series(
                [None if i % 7 == 0 else i % 11 for i in range(many)], dtype=pl.Int32
            ),
            "product_id": [f"{1 + i % 2}-{1 + i % 5}" for i in range(many)],
            "sales_amount": [[0.1, -0.0, nan, inf, 1e20, -3.335, 12.5][i % 7] for i in range(many)],
            "sold_on": pl.datetime_range(
                pl.datetime(2024, 1, 1), pl.datetime(2024, 10, 26), "1d", eager=True
            )[:many],
            "units": pl.Series([i % 5 for i in range(many)], dtype=pl.Int16),
            # columns that only rejected rows show
            "note": ["caf\u00e9", "cafe\u0301", "", None, "'; --"] * (many // 5),
            "basket": [{"till": i % 3, "ids": [i, None]} for i in range(many)],
        }
    )
    plain.write_parquet(folder / "a.parquet")
    own = plain.tail(10).with_columns(pl.col("sold_on").dt.offset_by("1y"))
    # rows that repeat others exactly, and some that do not
    repeated = pl.concat([plain.head(40), own])
    repeated.write_parquet(folder / "b.parquet")
    without = repeated.drop("units", "basket").with_columns(pl.col("sold_on").dt.offset_by("2d"))
    without.write_parquet(folder / "c.parquet")  # columns missing
    plain.head(0).write_parquet(folder / "d.parquet")  # no rows


def german_texts(folder: Path) -> None:
    """Everything is text, as in an export: numbers, days, ids with zeros, words for nothing."""
    many = 300
    amounts = ("1.234,50", "0,99", "-3,25 €", "12,00-", "n/a", "", "zwölf", "(7,50)", None)
    pl.DataFrame(
        {
            "Store ID": [
                (" 007", "7.0", "\u00dcber\u200b", "N/A", "x\0y")[i % 5] for i in range(many)
            ],
            "product_id": [f'="{1 + i % 2}-{1 + i % 5}"' for i in range(many)],
            "sales_amount": [amounts[i % 9] for i in range(many)],
            "sold_on": [f"{1 + i % 31}.{1 + i % 12:02}.2024" for i in range(many)],
            "units": [(None, "1", "2,5", "x")[i % 4] for i in range(many)],
            'Bon.Nr; "neu"`': [f"{i:06}" for i in range(many)],
        }
    ).write_parquet(folder / "sales.parquet")


def rare_types(folder: Path) -> None:
    """Wide decimals, large whole numbers as ids, time zones, binary and lists."""
    many = 300
    days = pl.datetime_range(
        pl.datetime(2024, 1, 1, 23, 30), pl.datetime(2024, 10, 26, 23, 30), "1d", eager=True
    )
    pl.DataFrame(
        {
            "Store ID": pl.Series([2**53 + i % 3 for i in range(many)], dtype=pl.Int64),
            "product_id": [f"{1 + i % 2}-{1 + i % 5}" for i in range(many)],
            "sales_amount": pl.Series(
                [None if i % 9 == 0 else Decimal(i * 10**9 + 1) / 10**8 for i in range(many)],
                dtype=pl.Decimal(38, 10),
            ),
            "sold_on": days.dt.replace_time_zone("Asia/Kolkata").dt.cast_time_unit("us"),
            "units": pl.Series([i / 3 for i in range(many)], dtype=pl.Float32),
            "raw": [bytes([i % 256, 0]) for i in range(many)],
            "tags": [["a", None, str(i)][: i % 4] for i in range(many)],
            "online": [(True, False, None)[i % 3] for i in range(many)],
        }
    ).write_parquet(folder / "sales.parquet")


@pytest.mark.parametrize(
    ("sales", "settings", "partitions", "reasons"),
    [
        (
            numeric_ids,
            {"duplicate_sales": "reject", "sales_window": {"start": "2024-02-01"}},
            7,
            {"store_id is missing", "sales_amount is not finite"},
        ),
        (
            numeric_ids,
            {"returns": "reject", "period": "month"},
            "auto",
            {"store_id is missing", "sales_amount is not finite"},
        ),
        (
            german_texts,
            {"sales_window": {"start": "2024-02-01"}, "ignore_in_ids": ["leading_zeros"]},
            3,
            {"store_id is missing", "sales_amount is not a number", "sold_on is not a date"},
        ),
        (rare_types, {"duplicate_sales": "reject"}, "auto", {"sales_amount is missing"}),
    ],
)
def test_awkward_values_are_the_same_read_here_and_on_an_engine(
    sail: Sail,
    tmp_path: Path,
    sales: Callable[[Path], None],
    settings: dict[str, Any],
    partitions: int | str,
    reasons: set[str],
) -> None:
    (tmp_path / "sales").mkdir()
    sales(tmp_path / "sales")
    variables = small_inputs().write(tmp_path / "inputs")
    products = variables["inputs"]["products"]
    variables["inputs"] = {"sales": f"{tmp_path}/sales/*.parquet", "products": products}
    variables["external_sources"] = []
    variables["columns"] = {"sales": {"store_id": "Store ID"}}
    variables["segmentation"] = {**QUICK, "max_rejected_share": 1.0, **settings}
    here, there = Project(tmp_path / "here"), Project(tmp_path / "there")
    expected = built(here, variables)
    engine = sail.engine(tmp_path / "shared", partitions=partitions)
    found = built(there, variables, engine=engine)
    assert len(expected) >= 10
    assert differing_tables(expected, found) == []
    assert reasons <= set(here.table("governance.rejected_rows")["reason"])


#: What tills and exports put into a column of the sales.
AWKWARD: Final[dict[str, dict[str, Any]]] = {
    "currencies": {"WAERS": ["EUR", "USD"]},
    "currencies that are few": {"paid in": ["EUR", "EUR", "EUR", "zł"]},
    "returns by a status": {"status": ["sale", "return"]},
    "returns by a code": {"Type": ["S", "R", "S"]},
    "decimal or thousands": {"sales_amount": ["1.234", "5.678"]},
    "several marks": {"sales_amount": ["1.234,50", "7.50", "1,234.50"]},
    "several currencies": {"sales_amount": ["$ 5.00", "7.00 EUR"]},
    "day or month": {"sold_on": ["03/04/2025", "05/06/2025"]},
    "days of several kinds": {"sold_on": ["03/04/2025", "31.12.2024", "2025-02-01"]},
    "no days": {"sold_on": ["spring", "2025-02-01"]},
    "numbers with units": {"units": ["2 kg", "3"]},
    "ids that differ in zeros": {"store_id": ["1", "01", "2"]},
    "ids that differ in case": {"store_id": ["s1", "S1", "s2"]},
    "ids with decimals": {"store_id": [1.0, 2.0, 3.5]},
    "ids that say nothing": {"store_id": ["n/a", None, "", "s1"]},
    "lists": {"sold_on": [["2025-02-01"]]},
    "totals": {"store_id": ["s1", "s2", "Total"], "sales_amount": [5.0, 7.0, 4_000.0]},
    "one amount has the money": {"sales_amount": [1.0] * 299 + [9e9]},
    "text behind a NUL": {"store_id": ["s\0a", "s\0b"], "sales_amount": ["5", "5\x000"]},
}


@pytest.mark.parametrize("name", AWKWARD)
def test_the_check_says_the_same_of_awkward_inputs_here_and_on_an_engine(
    sail: Sail, tmp_path: Path, name: str
) -> None:
    inputs = {kind: str(tmp_path / f"{kind}.parquet") for kind in ("sales", "products")}
    columns = {
        "store_id": ["s1", "s2", "s3"],
        "product_id": ["p1", "p2"],
        "sales_amount": [5.0, 7.25],
        "sold_on": [dt.date(2025, 2, 1), dt.date(2025, 3, 1)],
        **AWKWARD[name],
    }
    pl.DataFrame(
        {name: [values[i % len(values)] for i in range(300)] for name, values in columns.items()}
    ).write_parquet(inputs["sales"])
    need_states = {"category": ["Food", "Food"], "need_state": ["Lunch", "Dinner"]}
    pl.DataFrame({"product_id": ["p1", "p2"], **need_states}).write_parquet(inputs["products"])
    assert_checked_alike(inputs, sail, tmp_path / "shared")


def test_the_check_says_the_same_of_the_example_here_and_on_an_engine(
    sail: Sail, example: dict[str, Any], tmp_path: Path
) -> None:
    assert_checked_alike(example["inputs"], sail, tmp_path / "shared")


def assert_checked_alike(inputs: Mapping[str, str], sail: Sail, shared: Path) -> None:
    """The check of inputs comes to the same with and without an engine."""
    options = EngineOptions.from_var(sail.engine(shared, partitions=2))
    assert options is not None
    reports = []
    for engine in (None, Engine(options)):
        with duckdb.connect() as connection:
            today = dt.date(2026, 3, 1)
            reports.append(check_data(connection, inputs, InputOptions(), today, engine=engine))
    here, there = reports
    assert there.problems == here.problems
    assert there.remarks == here.remarks
    assert there.profile().equals(here.profile())
    assert there.verdicts() == here.verdicts()
    assert there.losses == here.losses
    assert there.matches == here.matches


def write_delta(_: Sail, parts: list[pl.DataFrame], folder: Path) -> None:
    """A Delta table of the last two parts; the first one is an earlier version."""
    for mode, part in zip(("overwrite", "overwrite", "append"), parts, strict=True):
        write_deltalake(folder, part, mode=mode)


def write_iceberg(sail: Sail, parts: list[pl.DataFrame], folder: Path) -> None:
    """The same as an Iceberg table, written by the engine."""
    options = EngineOptions.from_var(sail.engine(folder))
    assert options is not None
    session = Engine(options).session
    for mode, part in zip(("overwrite", "overwrite", "append"), parts, strict=True):
        rows = session.createDataFrame(part.to_arrow())
        rows.write.format("iceberg").mode(mode).save(str(folder))


@pytest.mark.parametrize(
    ("table_format", "write"), [("delta", write_delta), ("iceberg", write_iceberg)]
)
def test_a_table_with_versions_gives_the_same_tables_as_its_rows_in_parquet(
    sail: Sail,
    tmp_path: Path,
    table_format: str,
    write: Callable[[Sail, list[pl.DataFrame], Path], None],
) -> None:
    variables = small_inputs().write(tmp_path / "inputs", "parquet")
    sales = pl.read_parquet(tmp_path / "inputs" / "sales.parquet")
    half = len(sales) // 2
    write(sail, [sales, sales[:half], sales[half:]], tmp_path / "table")
    here, there = Project(tmp_path / "here"), Project(tmp_path / "there")
    expected = built(here, variables)
    variables["inputs"]["sales"] = str(tmp_path / "table")
    found = built(there, variables, engine=sail.engine(tmp_path / "shared", format=table_format))
    assert differing_tables(expected, found) == []


def test_files_that_an_engine_would_read_otherwise_are_refused(sail: Sail, tmp_path: Path) -> None:
    rows = pl.DataFrame({"store_id": ["s1"], "product_id": ["p1"], "sales_amount": [5.0]})
    for folder in ("delta", "iceberg/data", "hidden"):
        (tmp_path / folder).mkdir(parents=True)
    write_delta(sail, [rows, rows, rows], tmp_path / "delta")
    write_iceberg(sail, [rows, rows, rows], tmp_path / "iceberg")
    rows.write_parquet(tmp_path / "hidden" / "a.parquet")
    rows.write_parquet(tmp_path / "hidden" / "_b.parquet")
    options = EngineOptions.from_var(sail.engine(tmp_path / "shared"))
    assert options is not None
    for location, message in {
        "delta": "is a table of delta; set engine.format: delta",
        "delta/*.parquet": "is a table of delta; set engine.format: delta",
        "iceberg": "is a table of iceberg; set engine.format: iceberg",
        "hidden": "engines leave out files whose names begin with _ or a dot, such as ",
        "hidden/*.parquet": "engines leave out files whose names begin with _ or a dot, such as ",
    }.items():
        with duckdb.connect() as connection, pytest.raises(InputError) as raised:
            read_sales(connection, f"{tmp_path}/{location}", InputOptions(), Engine(options))
        (problem,) = raised.value.problems
        assert message in problem
        assert is_listed(f"inputs.sales: {problem}")


def test_a_folder_that_is_misspelled_is_not_made(sail: Sail, tmp_path: Path) -> None:
    options = EngineOptions.from_var(sail.engine(tmp_path / "no" / "shared"))
    assert options is not None
    with pytest.raises(EngineError, match="there is no folder") as raised:
        Engine(options).check()
    assert is_listed(str(raised.value))
    assert not (tmp_path / "no").exists()


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path, str]]:
    """A database, sales of 1,000 rows, and a query that sums them."""
    path = tmp_path / "sales.parquet"
    rows = pl.DataFrame({"store_id": range(1000), "amount": [Decimal("0.01")] * 1000})
    rows.write_parquet(path)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        yield connection, path, "select sum(amount) as amount from shop.engine.sales"


def test_a_task_that_fails_is_tried_again_and_changes_nothing(
    numbers: tuple[duckdb.DuckDBPyConnection, Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, path, sql = numbers
    computed, flag = tasks.computed, str(tmp_path / "failed")

    def failing_once(batches: Iterator[Any], order: Any) -> Iterator[Any]:
        reports = list(computed(batches, order))
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            yield from reports
        else:
            raise OSError("the connection was lost after the result was written")

    monkeypatch.setattr(tasks, "computed", failing_once)
    cluster = {"SAIL_MODE": "local-cluster", "SAIL_CLUSTER__TASK_MAX_ATTEMPTS": "3"}
    with Sail(**cluster) as server:
        options = EngineOptions.from_var(server.engine(tmp_path / "shared", partitions=4))
        assert options is not None
        sales = EngineSales(Engine(options), str(path), ("store_id",), n_rows=1000)
        sales.declare(connection)
        relation = sales.merged(connection, sql, {"amount": "sum"}, name="x")
    assert Path(flag).exists()
    assert connection.execute(f"from {relation}").fetchall() == [(Decimal("10.00"),)]
    assert not any((tmp_path / "shared").iterdir())


def test_an_engine_that_dies_during_a_job_ends_the_build_with_one_line(
    numbers: tuple[duckdb.DuckDBPyConnection, Path, str], tmp_path: Path
) -> None:
    connection, path, sql = numbers
    shared = tmp_path / "shared"
    endless = "select count(*) as amount from shop.engine.sales, range(100000000)"

    def kill_in_job(server: Sail) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(shared.glob("*/job")):
            time.sleep(0.1)
        time.sleep(1)
        server.kill()

    with Sail() as server:
        options = EngineOptions.from_var(server.engine(shared))
        assert options is not None
        sales = EngineSales(Engine(options), str(path), n_rows=1000)
        sales.declare(connection)
        killer = threading.Thread(target=kill_in_job, args=[server])
        killer.start()
        with pytest.raises(EngineError) as raised:
            sales.merged(connection, endless, {"amount": "sum"}, name="x")
        killer.join()
    assert str(raised.value).startswith(f"engine.remote: {server.remote} cannot be reached (")
    assert "\n" not in str(raised.value)
    assert is_listed(str(raised.value))
    assert not any(shared.iterdir())
    with Sail() as server:
        options = EngineOptions.from_var(server.engine(shared))
        assert options is not None
        again = EngineSales(Engine(options), str(path), n_rows=1000)
        relation = again.merged(connection, sql, {"amount": "sum"}, name="x")
    assert connection.execute(f"from {relation}").fetchall() == [(Decimal("10.00"),)]
