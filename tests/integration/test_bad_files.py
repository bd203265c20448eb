"""Files, retailers and vars as they come: what can be read is used, what cannot has a reason.

A build takes seconds, so one build holds many bad things that do not touch each other, and each
test looks at one of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from .accounts import Outcome, outcome_of
from .helpers import (
    OWN_INPUTS,
    QUICK,
    REPOSITORY,
    DbtRun,
    Inputs,
    Project,
    is_listed,
    listed_messages,
    small_inputs,
    write_frame,
)

# --- files that can be read -------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A glob over CSV files with a BOM and semicolons, and external files that say little."""
    folder = tmp_path_factory.mktemp("files")
    inputs = folder / "in 'puts' é"
    good = small_inputs()
    zeros = pl.format("00{}", pl.col("store_id").str.slice(1)).alias("store_id")
    sales = good.sales.with_columns(zeros)
    halves = (sales.filter(pl.col("product_id").str.starts_with(number)) for number in "12")
    for number, half in enumerate(halves):
        text = half.write_csv(separator=";")
        path = inputs / "sales" / f"part-{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    with path.open("a", newline="") as stream:
        stream.write("00001;2-1\r\n")
    write_frame(good.products, inputs / "products.csv")
    write_frame(good.demographics.with_columns(zeros), inputs / "demographics.csv")
    (inputs / "header.csv").write_text("store_id,visits\n")
    (inputs / "ids.csv").write_text("store_id\n00001\n00002\nELSEWHERE\n")
    variables = {
        "inputs": {
            "sales": str(inputs / "sales" / "*.csv"),
            "products": str(inputs / "products.csv"),
            "demographics": str(inputs / "demographics.csv"),
            "foot_traffic": str(inputs / "header.csv"),
            "promotions": str(inputs / "ids.csv"),
        },
        "external_sources": ["demographics", "foot_traffic", "promotions"],
        "segmentation": dict(QUICK),
    }
    short = pl.DataFrame({"store_id": ["00001"], "product_id": ["2-1"]})
    return outcome_of(Project(folder), pl.concat([sales, short], how="diagonal"), variables)


def test_all_files_of_a_glob_are_read_with_byte_order_mark_and_semicolons(
    odd_files: Outcome,
) -> None:
    odd_files.assert_sales_are_accounted_for()


def test_a_line_that_is_cut_off_is_a_rejected_row(odd_files: Outcome) -> None:
    rejected = odd_files.project.query("select store_id, reason from governance.rejected_rows")
    assert rejected.rows() == [(None, "line has fewer values than the header")]


def test_ids_with_leading_zeros_stay_text(odd_files: Outcome) -> None:
    odd_files.assert_no_store_is_lost({f"00{number:03d}" for number in range(1, 41)})


def test_external_files_without_rows_or_without_columns_stop_nothing(odd_files: Outcome) -> None:
    sources = odd_files.project.query(
        "select distinct source from features.scope_features where lane = 'external'"
    )
    assert sources["source"].to_list() == ["demographics"]
    accepted = odd_files.project.query(
        "select input, n_rows from governance.data_reconciliation"
        " where outcome = 'accepted' and input in ('foot_traffic', 'promotions') order by 1"
    )
    assert accepted.rows() == [("foot_traffic", 0), ("promotions", 3)]


def test_a_store_that_only_a_list_of_ids_knows_is_known_without_any_data(
    odd_files: Outcome,
) -> None:
    store = odd_files.project.query(
        "select has_sales, has_external from features.dim_stores where store_id = 'ELSEWHERE'"
    )
    assert store.rows() == [(False, False)]


def test_a_build_whose_sales_are_all_rejected_fails_and_changes_nothing_that_people_read(
    tmp_path: Path,
) -> None:
    # the database file is named like one of the schemas in it, which must not matter
    good = small_inputs()
    project = Project(tmp_path / "project", database_name="segments.duckdb")
    variables = {**good.write(tmp_path / "good"), "external_sources": []}
    variables["segmentation"] = {**QUICK, "picture_formats": ["png"]}
    assert project.build(*OWN_INPUTS, variables=variables).success
    kept = ("segments.segments.store_segments_history", "governance.model_registry")
    before = [project.query(f"from {table} order by all") for table in kept]
    published = project.published.read_bytes()
    unknown = good.products.with_columns(pl.format("X{}", "product_id").alias("product_id"))
    variables = {**replace(good, products=unknown).write(tmp_path / "bad"), "external_sources": []}
    run = project.dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert "Traceback" not in run.shown
    (line,) = run.lines_with("inputs.sales: no row was accepted: product_id has no accepted row")
    assert is_listed(line.strip().removeprefix("Invalid Input Error: "))
    rejected = project.query("select distinct reason from governance.rejected_rows")
    assert rejected["reason"].to_list() == ["product_id has no accepted row in products"]
    assert project.published.read_bytes() == published
    assert all(
        project.query(f"from {table} order by all").equals(rows)
        for table, rows in zip(kept, before, strict=True)
    )


def test_a_build_without_a_usable_model_fails_and_publishes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    variables = {
        **small_inputs().write(tmp_path / "inputs"),
        "external_sources": [],
        "segmentation": {"retrain": "never"},
    }
    run = project.dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert run.lines_with("no store has a segment")
    assert not project.published.exists()


# --- dialects and shapes ----------------------------------------------------------------------

MANY: Final = 300
KEYWORDS: Final = ("select", "from", "order", "group", "table", "null", "where", "1")


def facts(inputs: Inputs, columns: Mapping[str, Callable[[int], object]]) -> pl.DataFrame:
    """An external input with columns computed from the number of the store."""
    stores = inputs.demographics["store_id"]
    values = {name: [cell(n) for n in range(len(stores))] for name, cell in columns.items()}
    return pl.DataFrame({"store_id": stores, **values}, strict=False)


def waves(names: Sequence[str]) -> dict[str, Callable[[int], object]]:
    """A column for every name, none like another."""

    def wave(m: int, n: int) -> float:
        return math.sin(n * n + m * m)

    return {name: partial(wave, m) for m, name in enumerate(names)}


@pytest.fixture(scope="module")
def dialects(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Text files of several dialects, external files of odd columns, one column and very many."""
    folder = tmp_path_factory.mktemp("dialects")
    good = small_inputs()
    inputs = folder / "inputs"
    inputs.mkdir()
    products = good.products.with_columns(
        pl.format('first line\nsecond | "line" of {}', "product_name").alias("product_name")
    )
    files = {
        "sales.tsv": good.sales.write_csv(separator="\t").encode(),
        "products.txt": b"\xef\xbb\xbf" + products.write_csv(separator="|").encode(),
        "demographics.csv": good.demographics.write_csv(separator=";")
        .replace("\n", "\r\n")
        .encode(),
        "foot_traffic.csv": facts(
            good, {"Visits": lambda n: math.sin(37 * n), "visits": lambda n: math.cos(91 * n)}
        )
        .write_csv()
        .encode(),
        "competition.csv": facts(good, waves(KEYWORDS)).write_csv().encode(),
        "promotions.csv": facts(good, waves([f"f{m}" for m in range(MANY)])).write_csv().encode(),
    }
    for name, content in files.items():
        (inputs / name).write_bytes(content)
    locations = {name.partition(".")[0]: str(inputs / name) for name in files}
    variables = {
        "inputs": locations,
        "external_sources": sorted(set(locations) - {"sales", "products"}),
        "segmentation": {**QUICK, "multicollinearity_threshold": 1},
    }
    return outcome_of(Project(folder), good.sales, variables)


def test_every_dialect_is_read_to_the_last_row(dialects: Outcome) -> None:
    dialects.assert_sales_are_accounted_for()
    dialects.assert_no_store_is_lost(set(small_inputs().demographics["store_id"]))
    assert dialects.project.value("select count(*) from governance.rejected_rows") == 0
    names = dialects.project.query("select product_name from staging.stg_internal__products")
    assert 'first line second | "line" of Basic product' in names["product_name"].to_list()


@pytest.mark.parametrize(
    ("source", "columns"),
    [
        ("foot_traffic", {"Visits", "visits_2"}),
        ("competition", set(KEYWORDS)),
        ("promotions", {f"f{m}" for m in range(MANY)}),
    ],
)
def test_columns_of_any_name_and_number_are_features(
    dialects: Outcome, source: str, columns: set[str]
) -> None:
    features = dialects.project.query(
        "select feature from governance.feature_decisions where split_part(feature, '.', 1) = ?",
        [source],
    )
    assert set(features["feature"]) == {f"{source}.{column}" for column in columns}


@pytest.fixture(scope="module")
def extremes(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Ids and numbers at the edge of what can be, columns of many kinds, rows that disagree."""
    folder = tmp_path_factory.mktemp("extremes")
    good = small_inputs()
    sale = good.sales.head(1)
    odd = [sale.with_columns(pl.lit(store).alias("store_id")) for store in ODD_STORES.values()]
    sales = pl.concat([good.sales, *odd])
    kinds = ("1", "a", "2025-01-01", "true", "1.5")
    dates = ("2025-01-01", "01.02.2025", "2025/03/01", "March 1")
    weeks = facts(good, {"weeks": lambda n: n * n % 17})
    elsewhere = pl.format("elsewhere-{}", "store_id").alias("store_id")
    rivals = facts(good, {"rivals": lambda n: 7 * n % 11})
    frames = {
        "sales": sales,
        "products": good.products,
        "demographics": facts(
            good,
            {
                "huge": lambda n: f"{math.sin(n) + 2}e307",
                "tiny": lambda n: f"{math.sin(n) + 2}e-308",
                "largest": lambda n: str(2**63 - 1 - n),
                "income": lambda n: str(math.sin(n)),
            },
        ),
        "foot_traffic": facts(
            good,
            {
                "kinds": lambda n: kinds[n % 5],
                "dates": lambda n: dates[n % 4],
                "nearly": lambda n: str(n * n % 37) if n else "n.a.",
            },
        ),
        "competition": pl.concat(
            [rivals, rivals.with_columns(pl.lit(99, pl.Int64).alias("rivals"))]
        ),
        "promotions": pl.concat([weeks, weeks.with_columns(elsewhere)]),
    }
    locations = {}
    for name, frame in frames.items():
        locations[name] = str(folder / "inputs" / f"{name}.parquet")
        write_frame(frame, Path(locations[name]))
    variables = {
        "inputs": locations,
        "external_sources": sorted(set(locations) - {"sales", "products"}),
        "segmentation": {**QUICK, "max_missing_share": 0.9},
    }
    return outcome_of(Project(folder), sales, variables)


ODD_STORES: Final = {
    "ten thousand characters": "X" * 10_000,
    "control characters": "S\x01\x02T",
    "a null byte": "S\x00A",
    "written backwards": "S\u202e100",
    "markup": "<script>alert(1)</script>",
    "a formula": "=1+1",
}


@pytest.mark.parametrize("name", ODD_STORES)
def test_a_store_of_any_id_is_segmented(extremes: Outcome, name: str) -> None:
    rows = extremes.project.query(
        "select segment_id from segments.store_segments where store_id = ?", [ODD_STORES[name]]
    )
    assert rows["segment_id"].null_count() == 0
    assert len(rows) == 1


def test_extremes_lose_no_money_and_no_store(extremes: Outcome) -> None:
    extremes.assert_sales_are_accounted_for()
    extremes.assert_no_store_is_lost({*extremes.sales["store_id"]})


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        ("demographics.huge", "too many missing values"),
        ("demographics.tiny", "removed by PyCaret's own filter"),
        ("demographics.largest", "near-constant"),
        ("demographics.income", "kept; its middle half is nearly constant: deviation limited"),
        ("foot_traffic.nearly", "kept"),
        ("foot_traffic.kinds = true", "kept"),
        ("foot_traffic.dates = March 1", "kept"),
        ("competition.rivals", "kept"),
        ("promotions.weeks", "kept"),
    ],
)
def test_a_column_at_the_edge_has_a_decision(extremes: Outcome, feature: str, reason: str) -> None:
    decision = extremes.project.query(
        "select reason from governance.feature_decisions where feature = ?", [feature]
    )
    assert decision["reason"].to_list() == [reason]
    assert reason.partition(";")[0] == "kept" or is_listed(reason)


@pytest.mark.parametrize(
    ("source", "reason", "n_rows"),
    [
        ("demographics", "number too large to compute with", 40),
        ("foot_traffic", "not a number in a numeric column", 1),
    ],
)
def test_cells_and_rows_at_the_edge_are_set_aside(
    extremes: Outcome, source: str, reason: str, n_rows: int
) -> None:
    rejected = extremes.project.query(
        "select reason, count(*) from governance.rejected_rows where input = ? group by all",
        [source],
    )
    assert rejected.rows() == [(reason, n_rows)]


def test_stores_that_only_an_external_input_knows_are_clustered_and_not_segmented(
    extremes: Outcome,
) -> None:
    clusters = extremes.project.value(
        "select count(*) from lanes.external_clusters where starts_with(store_id, 'elsewhere-')"
    )
    assert clusters == len(small_inputs().demographics)


# --- lines and files that cannot be read ------------------------------------------------------

BAD_LINES: Final[Mapping[str, bytes]] = {
    "line has more values than the header": b"S001,1-1,2025-01-31,10.00,1,one,two",
    "line has a quote that does not end": b'S001,"1"-1,2025-01-31,10.00,1',
    "line is longer than 2,000,000 bytes": b"S001,%b,2025-01-31,10.00,1" % (b"x" * 2_100_000),
    "line has fewer values than the header": b"S001,1-1,2025-01-31",
}


@pytest.fixture(scope="module")
def bad_lines(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Sales with lines that are no CSV, and external inputs none of which can be used."""
    folder = tmp_path_factory.mktemp("lines")
    good = small_inputs()
    variables = good.write(folder / "inputs")
    # far down, where no look at the head of the file finds them
    copies = good.sales.with_columns(pl.format("{} ", "units").alias("units"))
    text = copies.write_csv(quote_style="always").encode()
    filler = b"".join(
        text.partition(b"\n")[2].replace(b'"3 "', f'"{n}"'.encode()) for n in range(60)
    )
    path = Path(variables["inputs"]["sales"])
    path.write_bytes(
        text + filler + b"".join(line + b"\n" for line in BAD_LINES.values()) + b"NEW,1-1,,9.00,1\n"
    )
    latin = good.demographics.with_columns(pl.lit("Orléans").alias("town")).write_csv()
    (folder / "inputs" / "demographics.csv").write_bytes(latin.encode("latin-1"))
    whole = folder / "inputs" / "whole.parquet"
    write_frame(good.demographics, whole)
    cut = folder / "inputs" / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-20])
    (folder / "inputs" / "folder.csv").mkdir()
    (folder / "inputs" / "nothing.csv").write_bytes(b"")
    variables["inputs"] |= {
        "foot_traffic": str(cut),
        "competition": str(folder / "inputs" / "folder.csv"),
        "promotions": str(folder / "inputs" / "nothing.csv"),
    }
    variables["external_sources"] = ["demographics", "foot_traffic", "competition", "promotions"]
    variables["segmentation"] = dict(QUICK)
    project = Project(folder)
    return Outcome(project, project.build(*OWN_INPUTS, variables=variables), good.sales)


@pytest.mark.parametrize("reason", BAD_LINES)
def test_a_line_that_cannot_be_read_is_a_rejected_row(bad_lines: Outcome, reason: str) -> None:
    rejected = bad_lines.project.query(
        "select input from governance.rejected_rows where reason = ? and is_whole_row", [reason]
    )
    assert rejected["input"].to_list() == ["sales"]
    assert is_listed(reason)


def test_lines_around_a_bad_one_are_read(bad_lines: Outcome) -> None:
    warning = f"WARNING inputs.sales: {len(BAD_LINES)} line(s) cannot be read"
    assert len(bad_lines.run.lines_with(warning)) == 1
    accepted = bad_lines.project.value(
        "select count(*) from staging.stg_internal__sales where rejection_reason is null"
    )
    assert accepted == 61 * len(bad_lines.sales) + 1
    bad_lines.assert_no_store_is_lost({*bad_lines.sales["store_id"], "NEW"})


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("foot_traffic", "No magic bytes found at end of file"),
        ("competition", "is a folder, a pipe or a device, and no file"),
        ("promotions", "is empty; there is nothing to read"),
    ],
)
def test_an_external_input_that_cannot_be_read_is_told_and_the_rest_is_built(
    bad_lines: Outcome, name: str, cause: str
) -> None:
    (line,) = bad_lines.run.lines_with(f"WARNING inputs.{name}: ")
    assert cause in line
    assert is_listed(line[line.index("WARNING") :])
    reasons = bad_lines.project.query(
        "select reason from governance.unread_inputs where input = ?", [name]
    )
    assert [cause in reason for reason in reasons["reason"]] == [True]
    assert "LINE 1" not in reasons["reason"][0]


# --- retailers of a kind ----------------------------------------------------------------------


def alike(inputs: Inputs) -> Inputs:
    """The same retailer with stores that do not differ in anything."""
    columns = [pl.lit("1").alias(name) for name in inputs.demographics.columns[1:]]
    return replace(
        inputs,
        sales=inputs.sales.with_columns(pl.lit("5.00").alias("sales_amount")),
        demographics=inputs.demographics.with_columns(columns),
    )


@pytest.mark.parametrize(
    ("inputs", "settings", "status", "reason"),
    [
        pytest.param(small_inputs(1), {}, "no_structure", "no usable feature is left", id="one"),
        pytest.param(small_inputs(2), {}, "no_structure", "are too few for", id="two"),
        pytest.param(alike(small_inputs()), {}, "no_structure", "no usable feature", id="alike"),
        pytest.param(
            small_inputs(), {"min_training_sales": 1e9}, "no_structure", "0 training", id="thin"
        ),
        pytest.param(
            small_inputs(60), {"outlier_fraction": 0.5}, "fitted", "k = ", id="half outliers"
        ),
    ],
)
def test_a_retailer_of_any_kind_gets_its_segments(
    inputs: Inputs, settings: dict[str, Any], status: str, reason: str, tmp_path: Path
) -> None:
    variables = inputs.write(tmp_path / "inputs")
    variables["segmentation"] = {**QUICK, **settings}
    outcome = outcome_of(Project(tmp_path / "project"), inputs.sales, variables)
    models = outcome.project.query("select scope, status, reason from governance.model_registry")
    assert sorted(models["scope"]) == ["Bread", "Cheese", "external"]
    assert set(models["status"]) == {status}
    for text in models["reason"]:
        assert reason in text
        assert status == "fitted" or is_listed(text)
    outcome.assert_sales_are_accounted_for()
    outcome.assert_no_store_is_lost(set(inputs.demographics["store_id"]))


# --- vars and files that stop a build ---------------------------------------------------------


def refused(folder: Path, variables: Mapping[str, Any]) -> DbtRun:
    """Build, which has to stop before the first model with a clear message."""
    run = Project(folder / "project").dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert run.statuses == {}
    assert "Traceback" not in run.shown
    _, _, told = run.shown.partition("the build cannot start:\n")
    problems = [line.strip() for line in told.split("\n  \n")[0].splitlines()]
    assert problems
    assert [problem for problem in problems if not is_listed(problem)] == []
    return run


def the_line(run: DbtRun, start: str) -> str:
    """The one line on the terminal that begins like that."""
    (line,) = [line.strip() for line in run.shown.splitlines() if line.strip().startswith(start)]
    return line


def test_files_that_cannot_be_used_are_named_with_what_is_missing(tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    products = tmp_path / "inputs" / "products.csv"
    products.write_text(products.read_text().replace("need_state", "needs", 1))
    inputs = {
        "sales": str(tmp_path / "absent.csv"),
        "products": str(products),
        "demographics": str(tmp_path / "inputs"),
    }
    run = refused(tmp_path, {**variables, "inputs": inputs})
    assert "there is no such file" in the_line(run, "inputs.sales: ")
    assert "absent.csv" in the_line(run, "inputs.sales: ")
    assert "there is no column 'need_state'" in the_line(run, "inputs.products: ")
    assert "the file has: product_id, product_name, category, needs" in the_line(
        run, "inputs.products: "
    )
    assert "is not allowed; it is a path that ends in .csv," in the_line(
        run, "inputs.demographics: "
    )


def test_files_without_rows_or_of_another_format_are_named(tmp_path: Path) -> None:
    variables = small_inputs().write(tmp_path / "inputs")
    (tmp_path / "empty.csv").write_text("store_id,product_id,sales_amount\n")
    (tmp_path / "products.xlsx").write_bytes(b"PK")
    inputs = {
        "sales": str(tmp_path / "empty.csv"),
        "products": str(tmp_path / "products.xlsx"),
    }
    run = refused(tmp_path, {**variables, "inputs": variables["inputs"] | inputs})
    assert "has no rows; there is nothing to segment" in the_line(run, "inputs.sales: ")
    assert "is not a complete .xlsx workbook" in the_line(run, "inputs.products: ")


def test_inputs_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    locations = small_inputs().write(tmp_path / "inputs")["inputs"]
    run = refused(
        tmp_path,
        {
            "inputs": {
                "sales": [locations["sales"]],
                "demographics": locations["demographics"],
                "seles": locations["sales"],
            },
            "external_sources": ["demographics", "competition", "weather"],
        },
    )
    assert "it is a location as text" in the_line(run, "inputs.sales: ")
    assert "own data and the example seeds do not mix" in the_line(run, "inputs.products: ")
    assert "own data and the example seeds do not mix" in the_line(run, "inputs.competition: ")
    assert "unknown input; did you mean sales? known ones: sales, products" in the_line(
        run, "inputs.seles: "
    )
    assert "has no staging model stg_external__weather; known ones: demographics" in the_line(
        run, "external_sources: 'weather'"
    )


@pytest.mark.parametrize("inputs", [["sales.csv"], "sales.csv", 5])
def test_inputs_of_another_kind_are_named(tmp_path: Path, inputs: object) -> None:
    run = refused(tmp_path, {"inputs": inputs, "external_sources": 5})
    assert "is not allowed; it is a mapping of input name" in the_line(run, "inputs: ")


@pytest.mark.parametrize("sources", ["demographics", 5])
def test_external_sources_of_another_kind_are_named(tmp_path: Path, sources: object) -> None:
    run = refused(tmp_path, {"external_sources": sources})
    assert "is not allowed; it is a list of names" in the_line(run, "external_sources: ")


def test_settings_that_cannot_be_used_are_named_with_path_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    run = refused(
        tmp_path,
        {
            "segmentation": {
                "max_cluster": 3,
                "min_clusters": "many",
                "outlier_fraction": 0.9,
                "internal": {"transform": "log"},
                "scopes": {"Bread": {"retrain": "never"}},
                "sales_window": {"start": "2025-02-01", "end": "2024-01-01"},
            }
        },
    )
    assert "did you mean max_clusters?" in the_line(run, "segmentation.max_cluster: ")
    assert "'many' is not allowed" in the_line(run, "segmentation.min_clusters: ")
    assert "0.9 is not allowed" in the_line(run, "segmentation.outlier_fraction: ")
    assert "less than or equal to 0.5" in the_line(run, "segmentation.outlier_fraction: ")
    assert "'log' is not allowed" in the_line(run, "segmentation.internal.transform: ")
    assert "'log_ratio_gaps', 'clr'" in the_line(run, "segmentation.internal.transform: ")
    assert "unknown setting" in the_line(run, "segmentation.scopes.Bread.retrain: ")
    assert "is after end 2024-01-01" in the_line(run, "segmentation.sales_window: ")


def test_settings_that_exclude_each_other_are_named_with_both_values(tmp_path: Path) -> None:
    run = refused(
        tmp_path, {"segmentation": {"scopes": {"Snacks": {"min_clusters": 8, "max_clusters": 3}}}}
    )
    (line,) = run.lines_with("must not exceed")
    assert "Snacks" in line
    assert "min_clusters (8) must not exceed max_clusters (3)" in line


def test_dbt_run_without_anything_to_read_says_what_to_do(tmp_path: Path) -> None:
    run = Project(tmp_path).dbt("run")
    assert not run.success
    (line,) = run.lines_with("the example seeds are not in the database yet")
    assert is_listed(line.strip())


# --- the list of messages ---------------------------------------------------------------------


def test_a_message_that_is_not_in_the_list_is_not_found_there() -> None:
    assert not is_listed("store_id is")
    assert not is_listed("inputs.sales: something else")
    assert len(set(listed_messages())) == len(listed_messages()) >= 60


#: What others write into our messages; `test_limits` and `test_crashes` meet them.
OF_OTHERS: Final = {"Out of Memory Error", "No space left on device"}


@pytest.mark.parametrize("message", listed_messages())
def test_a_listed_message_is_written_by_the_project(message: str) -> None:
    fixed = max(re.split("<[^<>]+>", message), key=len)
    parts = [fixed[start : start + 12] for start in range(max(1, len(fixed) - 11))]
    assert fixed in OF_OTHERS or any(part in source_text() for part in parts)


@cache
def source_text() -> str:
    """All code that writes messages, texts that are broken into several put together."""
    folders = ("macros", "models", "scripts", "segmentation", "tests/dbt")
    paths = [
        path
        for folder in folders
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix in {".sql", ".py"}
    ]
    text = "\n".join([*(path.read_text() for path in paths), *(path.stem for path in paths)])
    return re.sub(r"\"\s*\n\s*f?\"", "", text)
