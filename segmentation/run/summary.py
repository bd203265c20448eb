"""What came out of a build, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import duckdb

from segmentation.inputs.losses import listed
from segmentation.report.verdicts import input_verdicts
from segmentation.run.invocation import Invocation, NodeResult
from segmentation.warehouse.database import execute
from segmentation.warehouse.secrets import without_secrets

#: What a category needs to have rows in a table. The other tables about the worth of segments have
#: a row with the reason.
_NEEDED: Final = {
    "segment_products": "sales are needed",
    "store_group_losses": "sales of two stores are needed",
    "expected_shares": "sales of three stores in two periods are needed",
    "segment_opportunity": "sales in 8 periods are needed",
}
#: Models that the summary reads last; it is shown if the run has built them.
_LAST_MODELS: Final = frozenset(
    {"segment_summary", "segment_changes", "segment_validity", "drift", *_NEEDED}
)
_CURRENT_SCOPES: Final = """
with current_scopes as (
    select 'internal' as lane, scope from features.feat_internal
    union
    select 'external' as lane, scope from features.feat_external
)
"""
_MAX_SEGMENTS: Final = 40
_MAX_DRIFTED: Final = 5
_MAX_VERDICTS: Final = 20
#: Rows that are shown of each test that warned.
_MAX_WARNINGS: Final = 5
_MAX_NAME: Final = 26


def segments_were_built(results: Sequence[NodeResult]) -> bool:
    """Whether the run has built all that the summary reads."""
    return {result.name for result in results if result.status == "success"} >= _LAST_MODELS


def summary(cursor: duckdb.DuckDBPyConnection, invocation: Invocation) -> Iterator[str]:
    """Verdict per input, clusters, segments, whether they hold, what changed; one line each.

    Parameters
    ----------
    cursor
        Cursor on the database that was built.
    invocation
        The run.
    """
    yield ""
    yield "Inputs"
    for name, verdict in input_verdicts(cursor):
        yield f"  {name:<14} {verdict}" if name else f"  {verdict}"
    yield ""
    yield from _overview(cursor)
    yield ""
    yield from _models(cursor)
    yield ""
    yield from _segments(cursor)
    yield ""
    yield from _validity(cursor)
    yield from _without_rows(cursor)
    yield ""
    yield from _movements(cursor, invocation)
    yield from _drift(cursor)
    for (path,) in execute(
        cursor, "select path from duckdb_databases() where database_name = ?", [invocation.database]
    ).fetchall():
        yield f"  Database: {without_secrets(path)}"


def next_steps(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What to do with a published build."""
    found = execute(
        cursor,
        "select store_id from features.dim_stores where has_sales or has_external"
        " order by has_sales desc, store_id limit 1",
    ).fetchone()
    yield ""
    yield "Next"
    yield "  make report   all segments in one HTML file, with pictures"
    yield "  make docs     every table and column described, with the lineage"
    yield "  make sql      a SQL prompt with ready queries"
    if found and found[0] is not None:
        query = f"from segment_of('{found[0]}');"
        yield f"                for example: {query}"


def warnings(
    cursor: duckdb.DuckDBPyConnection, results: Sequence[NodeResult], without: Collection[str]
) -> Iterator[str]:
    """The first rows of each test that warned, so that a warning names its cause.

    Parameters
    ----------
    cursor
        Cursor on the database that was built.
    results
        Outcome of every node; a test that warned has its query.
    without
        Tests whose findings have been shown already.
    """
    for result in results:
        if result.status != "warn" or result.sql is None or result.name in without:
            continue
        found = execute(cursor, f"select * from ({result.sql}) limit {_MAX_WARNINGS}")  # noqa: S608
        names = [column[0] for column in found.description or []]
        for row in found.fetchall():
            cells = (
                f"{name} {value}"
                for name, value in zip(names, row, strict=True)
                if value is not None
            )
            yield f"  WARN {result.name}: {', '.join(cells)}"
        more = (result.n_failures or 0) - _MAX_WARNINGS
        if more > 0:
            yield f"  ... and {more} more"


def movements_in_short(cursor: duckdb.DuckDBPyConnection, invocation: Invocation) -> str | None:
    """What has changed since the previous run, in one phrase; None for the first one."""
    (n_before, n_moved, n_born, n_died) = execute(
        cursor,
        "select sum(n_stores_before), sum(n_moved_stores), sum(len(born_segments)),"
        " sum(len(died_segments)) from segments.segment_changes where run_id = ?",
        [invocation.run_id],
    ).fetchone() or (0, 0, 0, 0)
    if not n_before:
        return None
    return f"{n_moved:,} of {n_before:,} stores moved; segments new: {n_born}, gone: {n_died}"


def failed_scopes(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of today's scopes whose last fit failed."""
    rows = execute(
        cursor,
        f"""
        {_CURRENT_SCOPES}
        select scope
        from governance.model_registry
        inner join current_scopes using (lane, scope)
        group by lane, scope
        having arg_max(status, in_force_order) = 'failed'
        order by lane desc, scope
        """,  # noqa: S608
    ).fetchall()
    return [str(scope) for (scope,) in rows]


def _overview(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    (n_stores, n_with_sales, n_with_external) = execute(
        cursor,
        "select count(*), count(*) filter (where has_sales), count(*) filter (where has_external)"
        " from features.dim_stores",
    ).fetchone() or (0, 0, 0)
    (n_categories, n_segments) = execute(
        cursor, "select count(distinct category), count(*) from segments.segment_summary"
    ).fetchone() or (0, 0)
    yield "Store segments"
    yield (
        f"  {n_stores:,} stores, {n_with_sales:,} with sales,"
        f" {n_with_external:,} with external data"
    )
    yield (
        f"  {n_categories:,} categor{'y' if n_categories == 1 else 'ies'},"
        f" {n_segments:,} segment{'' if n_segments == 1 else 's'}"
    )


def _models(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The model in force of each scope, or the failure of a scope that has none."""
    rows = execute(
        cursor,
        f"""
        {_CURRENT_SCOPES}
        select scope, status, reason, k, n_stores, silhouette, stability
        from governance.model_registry
        inner join current_scopes using (lane, scope)
        qualify row_number() over (
            partition by lane, scope order by is_in_force desc, in_force_order desc
        ) = 1
        order by lane desc, scope
        """,  # noqa: S608
    ).fetchall()
    yield (
        f"  {'Model':<{_MAX_NAME}} {'Clusters':>8} {'Stores':>7} {'Silhouette':>11}"
        f" {'Stability':>10}"
    )
    for scope, status, reason, k, n_stores, silhouette, stability in rows:
        name = f"{scope[:_MAX_NAME]:<{_MAX_NAME}}"
        if status == "fitted":
            yield f"  {name} {k:>8} {n_stores:>7,} {silhouette:>11.2f} {stability:>10.2f}"
        else:
            shown = "-" if k is None else k
            yield f"  {name} {shown:>8} {n_stores:>7,}  {status.replace('_', ' ')}: {reason}"
    yield "  Silhouette: how well the clusters are separated, at most 1."
    yield "  Stability: how similar the clusters of resampled stores are, at most 1."


def _segments(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    rows = execute(
        cursor,
        "select category, segment_id, n_stores, n_thin, segment_name"
        " from segments.segment_summary order by category, segment_id",
    ).fetchall()
    shown = rows[:_MAX_SEGMENTS]
    any_thin = any(n_thin for *_, n_thin, _ in rows)
    few = f" {'Few sales':>9}" if any_thin else ""
    yield f"  {'Category':<{_MAX_NAME}} {'Segment':<8} {'Stores':>6}{few}  Name"
    for category, segment_id, n_stores, n_thin, name in shown:
        few = f" {n_thin:>9,}" if any_thin else ""
        yield (f"  {category[:_MAX_NAME]:<{_MAX_NAME}} {segment_id:<8} {n_stores:>6,}{few}  {name}")
    if len(rows) > len(shown):
        yield f"  ... and {len(rows) - len(shown)} more in segments.segment_summary"
    if any("x" in segment_id for _, segment_id, *_ in rows):
        yield "  x in a segment: its stores have no cluster in that lane (internal-external)."
    if any_thin:
        yield (
            "  Few sales: stores below min_training_sales or min_training_rows; no model was fitted"
            " on them."
        )


def _validity(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Whether the groups of each category predict later sales, and what a store's own mix does."""
    rows = execute(
        cursor,
        """
        with tested as (
            select
                category,
                -- segments if they were tested, else the clusters by sales mix
                first(
                    explanation
                    order by
                        verdict = 'not possible',
                        (predictor = 'segments') = (verdict = 'not possible')
                ) as explanation,
                bool_and(verdict = 'not possible') as is_untested
            from segments.segment_validity
            where predictor in ('internal clusters', 'segments')
            group by category
        )

        select
            tested.explanation,
            tested.is_untested,
            own.skill,
            1.96 * own.skill_standard_error
        from tested
        left join segments.segment_validity as own
            on
                tested.category = own.category
                and own.predictor = 'own mix, shrunken'
                and own.verdict = 'holds'
        order by tested.category
        """,
    ).fetchall()
    yield "  Do groups of the first half of the sales cut the mix error of the second?"
    reasons = {explanation.partition(": ")[2] for explanation, *_ in rows}
    nothing = all(is_untested and skill is None for _, is_untested, skill, _ in rows)
    if nothing and len(reasons) == 1:
        yield f"  All categories: {reasons.pop()}"
        return
    for explanation, _, skill, margin in rows[:_MAX_VERDICTS]:
        own = "" if skill is None else f" by {100 * skill:.1f}% (± {100 * margin:.1f})"
        yield f"  {explanation}" + (own and f"; a store's own mix, shrunken, cuts the error{own}")
    if len(rows) > _MAX_VERDICTS:
        yield f"  ... and {len(rows) - _MAX_VERDICTS} more in segments.segment_validity"


def _without_rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Which tables have nothing to say about a category, and what they need."""
    categories = {
        name
        for (name,) in execute(cursor, "select category from segments.segment_summary").fetchall()
    }
    for table, needed in _NEEDED.items():
        rows = execute(cursor, f"select distinct category from segments.{table}").fetchall()  # noqa: S608
        missing = sorted(categories - {name for (name,) in rows})
        if not missing:
            continue
        which = "in this build" if len(missing) == len(categories) else f"for {listed(missing)}"
        yield f"  segments.{table} has no rows {which}: {needed}"


def _movements(cursor: duckdb.DuckDBPyConnection, invocation: Invocation) -> Iterator[str]:
    if changes := movements_in_short(cursor, invocation):
        yield f"  Since the previous run: {changes} (segments.segment_changes)"


def _drift(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    rows = execute(
        cursor,
        """
        select concat_ws(': ', scope, coalesce(feature, subject)), stability_index, threshold
        from governance.drift
        where has_drifted
        order by stability_index / threshold desc, lane, scope, subject, feature
        """,
    ).fetchall()
    for what, index, threshold in rows[:_MAX_DRIFTED]:
        yield (
            f"  DRIFT: {what}: stability index {index:.2f} against the training data,"
            f" by chance up to {threshold:.2f}"
        )
    if len(rows) > _MAX_DRIFTED:
        yield f"  ... and {len(rows) - _MAX_DRIFTED} more in governance.drift"
