"""What the terminal shows after a build."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from segmentation.report.verdicts import input_verdicts
from segmentation.run.invocation import NodeResult
from segmentation.run.log import note_inputs, open_run
from segmentation.run.summary import (
    next_steps,
    segments_were_built,
    summary,
    warnings,
)

from .helpers import invocation

#: A build of two categories: some sales were rejected, one scope failed, one has drifted.
TABLES = """
create schema features;
create schema segments;
create table features.dim_stores as
select 'S' || i as store_id, i <= 8 as has_sales, i <= 7 as has_external from range(1, 10) as t (i);
create table features.feat_internal as select unnest(['Bread', 'Cheese']) as scope;
create table features.feat_external as select 'external' as scope;
create table governance.data_reconciliation as
from (
    values
    ('products', 'accepted', null, 10, 10, null, null),
    ('sales', 'accepted', null, 999, 1005, 900.5, 1000.0),
    ('sales', 'rejected', 'sold_on is not a date', 4, 1005, 99.5, 1000.0),
    ('sales', 'rejected', 'sales_amount is missing', 2, 1005, null, 1000.0)
) as t (input, outcome, reason, n_rows, n_rows_in, sales_amount, sales_amount_in);
create table governance.rejected_rows as from range(6);
create table governance.model_registry as
from (
    values
    ('internal', 'Bread', 'fitted', '', 3, 8, 0.25, 0.9, true, 1),
    ('internal', 'Cheese', 'no_structure', 'one cluster is enough', 1, 8, null, null, true, 1),
    ('internal', 'Gone', 'fitted', '', 2, 8, 0.25, 0.9, true, 1),
    ('external', 'external', 'failed', 'the fit failed', null, 7, null, null, false, 1)
) as t (
    lane, scope, status, reason, k, n_stores, silhouette, stability, is_in_force, in_force_order
);
create table segments.segment_summary as
from (
    values ('Bread', '1-1', 5, 2, 'Fresh high'), ('Bread', '2-x', 3, 0, 'Fresh low')
) as t (category, segment_id, n_stores, n_thin, segment_name);
create table segments.segment_validity as
from (
    values
    ('Bread', 'internal clusters', 'holds', 0.03, 0.01, 'Bread: internal clusters cut it by 3.0%'),
    ('Bread', 'own mix, shrunken', 'holds', 0.2, 0.02, 'Bread: own mix by 20.0%'),
    ('Bread', 'segments', 'not possible', null, null, 'Bread: segments: too early'),
    ('Cheese', 'internal clusters', 'does not hold', 0.01, 0.01, 'Cheese: clusters did not'),
    ('Cheese', 'own mix, shrunken', 'does not hold', 0.0, 0.02, 'Cheese: own mix did not'),
    ('Cheese', 'segments', 'holds', 0.05, 0.01, 'Cheese: segments cut it by 5.0%')
) as t (category, predictor, verdict, skill, skill_standard_error, explanation);
create table segments.expected_shares as select unnest(['Bread', 'Cheese']) as category;
create table segments.segment_opportunity as select 'Bread' as category;
create table segments.segment_products as select unnest(['Bread', 'Cheese']) as category;
create table segments.store_group_losses as select unnest(['Bread', 'Cheese']) as category;
create table segments.segment_changes as
select 'run-1' as run_id, 8 as n_stores_before, 2 as n_moved_stores, ['2-x'] as born_segments,
    []::varchar[] as died_segments;
create table governance.drift as
select 'internal' as lane, 'Bread' as scope, 'feature' as subject, 'Fresh' as feature,
    0.4 as stability_index, 0.1 as threshold, true as has_drifted;
"""
#: Results of a build that the summary is shown after.
BUILT = [
    NodeResult(f"model.{name}", name, "model", "success", 0.1)
    for name in (
        "segment_summary",
        "segment_changes",
        "segment_validity",
        "drift",
        "expected_shares",
        "segment_opportunity",
        "segment_products",
        "store_group_losses",
    )
]


@pytest.fixture
def built() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that the summary reads."""
    with duckdb.connect() as connection:
        open_run(connection, invocation())
        connection.execute(TABLES)
        yield connection


def test_the_summary_begins_with_a_verdict_for_each_input(
    built: duckdb.DuckDBPyConnection,
) -> None:
    lines = list(summary(built, invocation()))
    assert lines[1] == "Inputs"
    assert lines[2].split(maxsplit=1) == [
        "sales",
        "1,005 rows, 99.4 % used (90.0 % of the sales);"
        " most often rejected: sold_on is not a date (4)",
    ]
    assert lines[3].split(maxsplit=1) == ["products", "10 rows, all used"]


def test_less_than_all_is_never_said_to_be_all(built: duckdb.DuckDBPyConnection) -> None:
    built.execute("delete from governance.data_reconciliation where input = 'products'")
    built.execute("update governance.data_reconciliation set n_rows_in = 1000003")
    built.execute(
        "update governance.data_reconciliation set n_rows = 999999 where outcome = 'accepted'"
    )
    ((_, verdict), *_) = input_verdicts(built)
    assert "more than 99.9 % used" in verdict


def test_an_input_that_could_not_be_read_is_said_so(built: duckdb.DuckDBPyConnection) -> None:
    note_inputs(built, invocation(), {"demographics": "forbidden"}, {}, {})
    verdicts = dict(input_verdicts(built))
    assert verdicts["demographics"].startswith("NOT READ;")


def test_what_is_worth_a_look_in_the_inputs_is_said_so(
    built: duckdb.DuckDBPyConnection,
) -> None:
    remarks = [f"{n} row(s) have negative units" for n in range(1, 8)]
    note_inputs(built, invocation(), {}, {}, {"products": ["one is odd"], "sales": remarks})
    lines = list(summary(built, invocation()))
    start = lines.index("  sales: 1 row(s) have negative units")
    assert lines[start + 4] == "  sales: 5 row(s) have negative units"
    assert lines[start + 5] == "  ... and 3 more in governance.input_remarks"


def test_models_of_today_have_their_figures_or_a_reason(
    built: duckdb.DuckDBPyConnection,
) -> None:
    text = "\n".join(summary(built, invocation()))
    assert "Gone" not in text
    assert "no structure: one cluster is enough" in text
    assert "failed: the fit failed" in text


def test_letters_and_columns_that_need_it_are_explained(built: duckdb.DuckDBPyConnection) -> None:
    text = "\n".join(summary(built, invocation()))
    assert "x in a segment: its stores have no cluster in that lane" in text
    assert "Few sales: stores below min_training_sales or min_training_rows" in text
    built.execute("update segments.segment_summary set n_thin = 0, segment_id = '1-1'")
    text = "\n".join(summary(built, invocation()))
    assert "x in a segment" not in text
    assert "Few sales" not in text


def test_every_category_has_a_verdict_on_later_sales(built: duckdb.DuckDBPyConnection) -> None:
    lines = list(summary(built, invocation()))
    own = "a store's own mix, shrunken, cuts the error by 20.0% (± 3.9)"
    assert f"  Bread: internal clusters cut it by 3.0%; {own}" in lines
    assert "  Cheese: segments cut it by 5.0%" in lines


def test_one_reason_why_no_category_was_tested_is_given_once(
    built: duckdb.DuckDBPyConnection,
) -> None:
    built.execute(
        "update segments.segment_validity"
        " set verdict = 'not possible', skill = null,"
        " explanation = category || ': ' || predictor || ' cannot be tested: no dates'"
    )
    lines = list(summary(built, invocation()))
    assert "  All categories: internal clusters cannot be tested: no dates" in lines
    assert "  Cheese: internal clusters cannot be tested: no dates" not in lines


def test_tables_without_rows_of_a_category_say_what_they_need(
    built: duckdb.DuckDBPyConnection,
) -> None:
    built.execute("insert into segments.segment_summary select 'Cheese', '1-1', 5, 0, 'Blue'")
    lines = list(summary(built, invocation()))
    assert (
        "  segments.segment_opportunity has no rows for Cheese: sales in 8 periods are needed"
        in lines
    )
    assert not any("expected_shares" in line for line in lines)
    built.execute("delete from segments.expected_shares")
    assert (
        "  segments.expected_shares has no rows in this build: "
        "sales of three stores in two periods are needed"
    ) in list(summary(built, invocation()))


def test_moves_and_drift_are_reported(built: duckdb.DuckDBPyConnection) -> None:
    text = "\n".join(summary(built, invocation()))
    assert "2 of 8 stores moved; segments new: 1, gone: 0" in text
    assert "DRIFT: Bread: Fresh: stability index 0.40" in text
    assert "stores moved" not in "\n".join(summary(built, invocation(run_id="first")))


def test_the_next_steps_name_commands_and_a_query(built: duckdb.DuckDBPyConnection) -> None:
    text = "\n".join(next_steps(built))
    for command in ("make report", "make docs", "make sql", "from segment_of('S1');"):
        assert command in text


def test_a_warning_names_its_first_rows_and_how_many_more_there_are() -> None:
    results = [
        NodeResult(
            "test.t",
            "t",
            "test",
            "warn",
            0.1,
            n_failures=7,
            sql="select i, null as b from range(7) as t (i)",
        ),
        NodeResult("test.known", "known", "test", "warn", 0.1, n_failures=1, sql="select 1 as a"),
        NodeResult("test.good", "good", "test", "pass", 0.1),
    ]
    with duckdb.connect() as connection:
        lines = list(warnings(connection, results, without={"known"}))
    assert lines == [*(f"  WARN t: i {i}" for i in range(5)), "  ... and 2 more"]


def test_the_summary_is_shown_when_all_that_it_reads_was_built() -> None:
    assert segments_were_built(BUILT)
    assert not segments_were_built(BUILT[1:])
