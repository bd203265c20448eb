"""The check of all inputs: read, profiled, weighed, without building anything."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import polars as pl
import yaml

from segmentation.engine.session import Engine
from segmentation.inputs.columns import ColumnFormat, decide_columns
from segmentation.inputs.ids import IdMatch, match_ids
from segmentation.inputs.losses import Losses, amounts, gate_problem, losses_of, percent
from segmentation.inputs.names import InputError, normalized, unknown_input
from segmentation.inputs.on_engine import read_sales
from segmentation.inputs.options import InputOptions
from segmentation.inputs.reading import InputPlan, cannot_read, read_input
from segmentation.inputs.remarks import Doubt, remarks_on, remarks_on_match, remarks_on_reading
from segmentation.inputs.scales import scale_doubts
from segmentation.inputs.statuses import status_doubts
from segmentation.inputs.totals import product_totals_problem, totals_problem
from segmentation.inputs.twice import contained_problems, copies_problems, cut_amounts_problem

INTERNAL: Final = ("sales", "products")
PROFILE: Final = pl.Schema(
    {
        "input": pl.String,
        "column_name": pl.String,
        "column_in_file": pl.String,
        "read_as": pl.String,
        "format": pl.String,
        "evidence": pl.String,
        "n_rows": pl.Int64,
        "n_missing": pl.Int64,
        "n_distinct": pl.Int64,
        "minimum": pl.String,
        "maximum": pl.String,
        "n_not_understood": pl.Int64,
        "examples_not_understood": pl.String,
        "ids_matched": pl.String,
        "note": pl.String,
    }
)


@dataclass
class IntakeReport:
    """What the inputs are, and what is wrong with them.

    Attributes
    ----------
    problems
        Per input, why a build must not start; names in order of the inputs.
    plans, columns, losses
        By input, for those that could be read.
    unread
        Names of the inputs that could not be read at all.
    matches
        How the ids of the inputs match.
    remarks
        By input, what is worth knowing although it is no problem.
    options
        What the user has set.
    """

    options: InputOptions
    problems: dict[str, list[str]] = field(default_factory=dict)
    plans: dict[str, InputPlan] = field(default_factory=dict)
    columns: dict[str, list[ColumnFormat]] = field(default_factory=dict)
    losses: dict[str, Losses] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    matches: list[IdMatch] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether a build may start."""
        return not any(self.problems.values())

    def all_problems(self) -> list[str]:
        """All problems, each with its input."""
        return [f"inputs.{name}: {text}" for name, texts in self.problems.items() for text in texts]

    def verdicts(self) -> list[str]:
        """One line per input."""
        return [_verdict(self, name) for name in {**self.plans, **self.problems}]

    def profile(self) -> pl.DataFrame:
        """How each column is read: one row per input and column, schema `PROFILE`."""
        rows = [
            _profile_row(self, name, column)
            for name, columns in self.columns.items()
            for column in columns
        ]
        return pl.DataFrame(rows, schema=PROFILE, orient="row")

    def vars_file(self, inputs: Mapping[str, str]) -> str:
        """A `vars` file with the columns and formats that were found."""
        content: dict[str, Any] = {"inputs": dict(inputs)}
        external = [name for name in inputs if name not in INTERNAL]
        content["external_sources"] = external
        columns = {
            name: {
                ours: theirs
                for ours, theirs in plan.sources.items()
                if normalized(ours) != normalized(theirs)
            }
            for name, plan in self.plans.items()
        }
        formats = {
            name: found
            for name, described in self.columns.items()
            if (found := {c.column: given for c in described if (given := _as_setting(c))})
        }
        if any(columns.values()):
            content["columns"] = {name: found for name, found in columns.items() if found}
        if formats:
            content["formats"] = formats
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def check_data(
    connection: duckdb.DuckDBPyConnection,
    inputs: Mapping[str, str],
    options: InputOptions,
    today: dt.date,
    known: Sequence[str] | None = None,
    *,
    judges_joins: bool = True,
    engine: Engine | None = None,
) -> IntakeReport:
    """Read and judge the inputs.

    Parameters
    ----------
    connection
        Connection in which tables of texts are made.
    inputs
        Location by name: `sales`, `products`, and external inputs.
    options
        What the user has set.
    today
        The day of the check; later days than tomorrow are no dates.
    known
        Names of the external inputs that are possible; any where it is None.
    judges_joins
        Whether a missing input, sales without a product and ids without a match are problems, and
        whether what is lost is worth a remark. A build judges joins after staging, where
        `rejected_rows` lists what is lost.
    engine
        The engine that has the sales; None if they are read here.
    """
    report = IntakeReport(options)
    for name, location in inputs.items():
        if known is not None and name not in (*INTERNAL, *known):
            message = unknown_input("inputs", name, known)
            report.problems[name] = [message.removeprefix(f"inputs.{name}: ")]
            continue
        try:
            if engine is not None and name == "sales":
                plan = read_sales(connection, location, options, engine)
            else:
                plan = read_input(connection, name, location, options)
        except InputError as error:
            report.problems[name] = error.problems
            report.unread.add(name)
            continue
        try:
            report.columns[name] = decide_columns(connection, plan, options, today)
            report.plans[name] = plan
        except InputError as error:
            report.problems[name] = error.problems
        except duckdb.Error as error:  # a part of a file that the reader did not have to look at
            report.problems[name] = [cannot_read(location, error)]
            report.unread.add(name)
    _weigh(connection, report, judges_joins=judges_joins)
    if judges_joins and "sales" in inputs and "products" not in inputs:
        report.problems.setdefault("products", []).append(
            "no location is given, while the sales need the category and need state of each product"
        )
    if judges_joins and "products" in inputs and "sales" not in inputs:
        report.problems.setdefault("sales", []).append(
            "no location is given, while products have one"
        )
    return report


def _weigh(
    connection: duckdb.DuckDBPyConnection, report: IntakeReport, *, judges_joins: bool
) -> None:
    products = None
    if "products" in report.plans:
        products = (report.plans["products"], report.columns["products"])
    for name, plan in report.plans.items():
        columns = report.columns[name]
        problems = [column.problem for column in columns if column.problem]
        losses = losses_of(
            connection,
            plan,
            columns,
            products if name == "sales" and judges_joins else None,
            returns_are_netted=report.options.returns == "net",
        )
        report.losses[name] = losses
        doubts: list[Doubt] = []
        if not problems:
            others = [
                (report.plans[other], report.columns[other])
                for other in report.plans
                if other not in INTERNAL
            ]
            problems = [
                *(
                    copies_problems(connection, plan, columns)
                    or contained_problems(connection, plan, columns)
                ),
                *filter(None, [cut_amounts_problem(connection, plan, columns)]),
                *filter(None, [totals_problem(connection, plan, columns, others)]),
                *filter(None, [product_totals_problem(connection, plan, columns, products)]),
            ]
            doubts = [
                *status_doubts(connection, plan, columns, losses),
                *scale_doubts(connection, plan, columns, losses, report.options),
            ]
            problems += [doubt.text for doubt in doubts if doubt.is_plain]
        if not problems:
            by_name = {column.column: column for column in columns}
            problems = gate_problem(losses, report.options.max_rejected_share, by_name)
        report.problems.setdefault(name, []).extend(problems)
        is_readable = not any(column.read_as == "ignored" and column.problem for column in columns)
        report.remarks[name] = []
        if is_readable and judges_joins:
            report.remarks[name] += remarks_on(connection, plan, columns, losses, report.options)
        if is_readable:
            report.remarks[name] += remarks_on_reading(connection, plan, columns, losses, doubts)
    report.matches = match_ids(connection, report.plans, report.columns)
    if not judges_joins:
        return
    for match in report.matches:
        name = match.right if match.left == "sales" else match.left
        report.remarks[name] += remarks_on_match(match)
        if match.problem:
            report.problems.setdefault(name, []).append(match.problem)


def _verdict(report: IntakeReport, name: str) -> str:
    problems = report.problems.get(name)
    if name not in report.losses:
        return f"{name}: refused; {(problems or [''])[0]}"
    losses = report.losses[name]
    accepted = f"{losses.n_accepted:,} of {losses.n_rows:,} rows accepted"
    if losses.money == 0 and losses.n_accepted == 0:
        accepted += f"; no amount in {report.plans[name].location} is understood"
    elif losses.money is not None:
        lost = sum(loss.money or 0.0 for loss in losses.by_reason if loss.is_rejected)
        accepted += f", {amounts(losses.money - lost, losses.money)} of the money"
        if losses.returns > losses.money:
            accepted += f" before returns of {losses.returns:,.2f}, which are more"
        elif losses.returns:
            share = percent(losses.returns / losses.money)
            accepted += f" before returns of {losses.returns:,.2f} ({share})"
    for match in report.matches:
        if match.left == "sales" and match.right == name and match.column == "store_id":
            accepted += f", facts for {match.n_both:,} of {match.n_left:,} stores with sales"
    return f"{name}: {'refused' if problems else 'good'}; {accepted}"


def _profile_row(report: IntakeReport, name: str, column: ColumnFormat) -> tuple[Any, ...]:
    matched = {
        (match.right if match.left == name else match.left): match.n_both
        for match in report.matches
        if match.column == column.column and name in (match.left, match.right)
    }
    return (
        name,
        column.column,
        column.source,
        column.read_as,
        column.format,
        column.evidence,
        column.n_rows,
        column.n_missing,
        column.n_distinct,
        column.minimum,
        column.maximum,
        column.n_not_understood,
        " | ".join(column.examples) or None,
        json.dumps(matched) if matched else None,
        column.problem or column.note or None,
    )


def _as_setting(column: ColumnFormat) -> object:
    """A format as the var `formats` says it; nothing where the default reads the same."""
    if column.problem or not column.evidence or column.read_as not in ("number", "date"):
        return None
    if column.read_as == "number" and column.format.startswith("decimal "):
        words = column.format.replace(",", "").split()
        marks = {"point": ".", "comma": ",", "apostrophe": "'", "blank": " "}
        found = {words[i]: marks[words[i + 1]] for i in range(0, len(words), 2)}
        return found if found != {"decimal": "."} else None
    return None
