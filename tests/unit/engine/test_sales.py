from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import dataset

from segmentation.engine import tasks
from segmentation.engine.options import EngineError, EngineOptions
from segmentation.engine.sales import EngineSales, drop_results
from segmentation.engine.session import Engine
from segmentation.engine.tasks import Order

pytestmark = pytest.mark.slow

_OUTCOMES = """
    select store_id, reason, count(*) as n_rows, sum(amount) as amount, max(sold_on) as last_day
    from shop.staging.judged group by all
"""
_MERGE = {"n_rows": "sum", "amount": "sum", "last_day": "max"}
_TYPES = pa.schema([("Store", pa.string()), ("amount", pa.string()), ("sold_on", pa.date32())])


class _Frame:
    """Just enough of a Spark frame: rows in given partitions."""

    def __init__(self, partitions: list[pa.Table]) -> None:
        self.partitions = partitions

    def select(self, *_: Any) -> _Frame:
        return self

    def repartition(self, *_: Any) -> _Frame:
        return self

    def count(self) -> int:
        return sum(len(part) for part in self.partitions)


class _Partitions(Engine):
    """An engine that runs its tasks here, one partition after the other, some of them twice."""

    def __init__(self, shared: Path, partitions: list[pa.Table]) -> None:
        super().__init__(EngineOptions(remote="sc://nowhere", shared=str(shared)))
        object.__setattr__(self, "_given", _Frame(partitions))

    def frame(self, location: str) -> Any:
        assert location == "sales"
        return self._given  # type: ignore[attr-defined]

    def schema(self, location: str) -> pa.Schema:
        assert location == "sales"
        return _TYPES

    @contextmanager
    def explained(self, what: str = "") -> Iterator[None]:
        assert "/" not in what
        yield

    def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
        reports = []
        for place, part in enumerate(frame.partitions):
            attempts = 1 + place % 2  # a task may be tried twice; its last result counts
            for _ in range(attempts):
                found = list(tasks.computed(iter(part.to_batches()), order))
            reports += [row for batch in found for row in batch.to_pylist()]
        for report in reports:
            if report["problem"]:
                raise EngineError(self._refusal(report["problem"]))
        return reports


def _declared(connection: duckdb.DuckDBPyConnection, sales: EngineSales) -> None:
    """The views that staging makes, over the rows of the engine."""
    connection.execute("create schema if not exists staging")
    relation = sales.declare(connection)
    connection.execute(
        "create or replace table staging.stores as select * from (values"
        " ('1', 'S1'), ('01', 'S1'), ('2', 'S2')) as _(given_id, store_id)"
    )
    connection.execute(
        f"""
        create or replace view staging.judged as
        with typed as (
            select
                stores.store_id,
                try_cast(_input.amount as decimal(18, 4)) as amount,
                _input.sold_on,
                _input
            from (select "Store" as store_id, amount, sold_on from {relation}) as _input
            left join shop.staging.stores on _input.store_id = stores.given_id
        )
        select *, case when store_id is null then 'no store' when amount is null then 'no amount'
            end as reason
        from typed
        """
    )


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as found:
        yield found


_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "01", "2", "x", None]),
        st.sampled_from(["1.10", "2.25", "-0.05", "abc", "", None, "99999999999999.9999"]),
        st.dates(),
    ),
    max_size=40,
)


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns: list[Any] = list(zip(*rows, strict=True)) or [[], [], []]
    return pa.table(
        {
            field.name: pa.array(column, field.type)
            for field, column in zip(_TYPES, columns, strict=True)
        }
    )


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=_ROWS, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_any_partitions_give_the_same_sums_and_the_same_rejected_rows(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    rows: list[tuple[Any, ...]],
    cuts: list[int],
) -> None:
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [_table(rows[a:b]) for a, b in pairwise(bounds)]
    rejected = (
        "select to_json(_input)::varchar as input_row, reason from shop.staging.judged"
        " where reason is not null"
    )
    found = {}
    for name, partitions in {"whole": [_table(rows)], "parts": parts}.items():
        engine = _Partitions(tmp_path / "shared", partitions)
        sales = EngineSales(engine, "sales", n_rows=len(rows))
        _declared(connection, sales)
        found[name] = [
            connection.execute(
                f"from {sales.merged(connection, sql, merge, name='x')} order by all"
            ).fetchall()
            for sql, merge in [(_OUTCOMES, _MERGE), (rejected, None)]
        ]
    assert found["whole"] == found["parts"]
    assert sum(row[2] for row in found["whole"][0]) == len(rows)
    amounts = [row[3] for row in found["whole"][0] if row[3] is not None]
    assert all(isinstance(amount, Decimal) for amount in amounts)


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from staging.judged",
        "from engine.sales",
        "from staging.judged where store_id = 'S1'",
        'select upper("Store") from engine.sales where "Store" <> \'\' limit 1',
        "select max(sold_on) from engine.sales where sold_on > date '2024-01-01'",
        'from staging.stores where given_id not in (select "Store" from engine.sales)',
    ],
)
def test_the_sales_cannot_be_read_past_the_engine(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str
) -> None:
    sales = EngineSales(_Partitions(tmp_path, [_table([])]), "sales")
    _declared(connection, sales)
    with pytest.raises(duckdb.InvalidInputException, match="the sales are on the engine"):
        connection.execute(sql)


def test_a_task_gets_only_the_columns_that_the_query_reads(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    asked: list[tuple[Any, ...]] = []

    class _Asked(_Frame):
        def select(self, *columns: Any) -> _Frame:
            asked.append(columns)
            return self

    engine = _Partitions(tmp_path, [_table([("1", "2", None)])])
    object.__setattr__(engine, "_given", _Asked([_table([("1", "2", None)])]))
    sales = EngineSales(engine, "sales", n_rows=1)
    _declared(connection, sales)
    sales.merged(
        connection,
        "select count(*) as n from shop.staging.judged where sold_on is null",
        {"n": "sum"},
        name="x",
    )
    assert [str(column) for column in asked[0]] == [
        "Column<'`Store`'>",
        "Column<'`sold_on`'>",
    ]


def test_rows_stream_through_a_task_past_the_small_tables(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    class _Small(_Partitions):
        def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
            limits = {"memory_limit": "60MB", "max_temp_directory_size": "0KB"}
            return super()._reports(frame, replace(order, settings=limits))

    some = _table([("1", f"{place}.00", None) for place in range(10_000)])
    rows = pa.concat_tables([some] * 300)
    sales = EngineSales(_Small(tmp_path, [rows]), "sales", n_rows=len(rows))
    _declared(connection, sales)
    relation = sales.merged(connection, _OUTCOMES, _MERGE, name="x")
    found = connection.execute(f"select store_id, n_rows, amount from {relation}").fetchall()
    assert found == [("S1", 3_000_000, Decimal("14998500000.0000"))]


def test_a_task_has_the_time_zone_of_the_build(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    sales = EngineSales(_Partitions(tmp_path, [_table([("1", "2", None)])]), "sales", n_rows=1)
    _declared(connection, sales)
    for zone in ("Pacific/Auckland", "UTC"):
        connection.execute(f"set TimeZone = '{zone}'")
        at = "timestamptz '2025-01-01 20:30:00+00'::date"
        relation = sales.merged(
            connection, f"select {at} as day from shop.engine.sales", None, name="x"
        )
        expected = connection.execute(f"select {at}").fetchall()
        assert connection.execute(f"from {relation}").fetchall() == expected


@pytest.mark.parametrize("names", [("Store", "STORE"), ("amount", "Store", "Amount")])
def test_columns_that_differ_only_in_case_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, names: tuple[str, ...]
) -> None:
    class _Repeated(_Partitions):
        def schema(self, _: str) -> pa.Schema:
            return pa.schema([(name, pa.string()) for name in names])

    sales = EngineSales(_Repeated(tmp_path, []), "sales")
    with pytest.raises(EngineError, match=r"sales: several columns are called '\w+'; rename"):
        sales.declare(connection)


def test_rows_that_appear_during_the_build_stop_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    sales = EngineSales(_Partitions(tmp_path, [_table([("1", "2", None)])]), "sales", n_rows=7)
    _declared(connection, sales)
    with pytest.raises(EngineError, match=r"inputs\.sales changed during the build: 'sales' had 7"):
        sales.merged(connection, _OUTCOMES, _MERGE, name="x")


def test_a_result_that_does_not_arrive_is_noticed(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    class _Lost(_Partitions):
        def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
            reports = super()._reports(frame, order)
            (folder,) = (tmp_path / "shared").iterdir()
            (folder / reports[0]["file"]).unlink()
            return reports

    rows = _table([("1", "2", None)])
    sales = EngineSales(_Lost(tmp_path / "shared", [rows, rows]), "sales", n_rows=2)
    _declared(connection, sales)
    with pytest.raises(EngineError, match=r"engine\.shared: .* all workers read and write"):
        sales.merged(connection, _OUTCOMES, _MERGE, name="x")
    assert not any((tmp_path / "shared").iterdir())


def test_a_worker_that_sees_another_folder_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    class _Elsewhere(_Partitions):
        def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
            (folder,) = (tmp_path / "shared").iterdir()
            shutil.move(folder, tmp_path / "elsewhere")
            return super()._reports(frame, order)

    engine = _Elsewhere(tmp_path / "shared", [_table([("1", "2", None)])])
    sales = EngineSales(engine, "sales", n_rows=1)
    _declared(connection, sales)
    with pytest.raises(EngineError, match=r"engine\.shared: .* cannot see the shared folder"):
        sales.merged(connection, _OUTCOMES, _MERGE, name="x")


@pytest.mark.parametrize("name", ["duckdb", "pyarrow", "Python"])
def test_a_worker_with_another_version_is_refused(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    here = tasks.versions()

    class _Older(_Partitions):
        def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
            monkeypatch.setattr(tasks, "versions", lambda _: {**here, name: "0.1"})
            return super()._reports(frame, order)

    sales = EngineSales(_Older(tmp_path, [_table([("1", "2", None)])]), "sales", n_rows=1)
    _declared(connection, sales)
    with pytest.raises(EngineError, match=f"a worker has {name} 0.1 instead of .*{here[name]}"):
        sales.merged(connection, _OUTCOMES, _MERGE, name="x")


def test_an_error_of_the_query_is_shown_as_it_is(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    sales = EngineSales(_Partitions(tmp_path, [_table([("1", "2", None)])]), "sales", n_rows=1)
    _declared(connection, sales)
    with pytest.raises(EngineError, match=r"^Invalid Input Error: new ids$"):
        sales.merged(
            connection,
            "select if(amount > 1, error('new ids'), '') as x from shop.staging.judged",
            None,
            name="x",
        )


def test_merged_results_are_dropped_when_models_have_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    sales = EngineSales(_Partitions(tmp_path, [_table([])]), "sales", ("Store",), True, 0)
    _declared(connection, sales)
    sales.remember(connection)
    sales.merged(connection, _OUTCOMES, _MERGE, name="x")
    drop_results(connection)
    found = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'engine'"
    )
    assert found.fetchall() == [("source",)]
    assert EngineSales.remembered(connection, sales.engine) == sales


def test_small_tables_travel_as_files_and_none_stays(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    seen: list[str] = []

    class _Watched(_Partitions):
        def _reports(self, frame: Any, order: Order) -> list[dict[str, Any]]:
            (folder,) = (tmp_path / "shared").iterdir()
            seen.extend(path.name for path in folder.iterdir())
            return super()._reports(frame, order)

    engine = _Watched(tmp_path / "shared", [_table([("1", "2", None), ("2", "3", None)])])
    sales = EngineSales(engine, "sales", n_rows=2)
    _declared(connection, sales)
    relation = sales.merged(
        connection,
        "select amount from shop.staging.judged where store_id in (from chosen)",
        None,
        name="x",
        beside={"chosen": "select 'S2' as store_id"},
    )
    assert connection.execute(f"from {relation}").fetchall() == [(Decimal("3.0000"),)]
    assert sorted(seen) == ["job", "table_0.arrow", "table_1.arrow"]
    assert not any((tmp_path / "shared").iterdir())
    assert isinstance(dataset.dataset(pa.table({"x": [1]})), dataset.Dataset)


@pytest.mark.parametrize(
    ("sql", "n_scans"),
    [
        ("select count(*) as n from shop.engine.sales", 1),
        ("with x as materialized (from shop.engine.sales) select count(*) as n from x, x as y", 1),
        ("select count(*) as n from shop.engine.sales as x, shop.engine.sales as y", 2),
    ],
)
def test_rows_are_kept_only_for_a_query_that_reads_them_more_than_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str, n_scans: int
) -> None:
    rows = _table([("1", "2", None)] * 30)
    sales = EngineSales(_Partitions(tmp_path, [rows]), "sales", n_rows=30)
    _declared(connection, sales)
    relation = sales.merged(connection, sql, {"n": "sum"}, name="x")
    expected = 30 if "y" not in sql else 900
    assert connection.execute(f"from {relation}").fetchall() == [(expected,)]
    types = {row[0]: row[1] for row in connection.execute("describe engine.sales").fetchall()}
    order = Order(sql, ("shop", "engine", "sales"), types, "")
    with tasks.opened(rows, {}, order) as opened:
        assert tasks.scans(opened, sql) == n_scans
