"""What the report says: queries of the tables, and nothing computed beside them."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
from PIL import Image

from segmentation.pictures.catalog import file_problem, scope_tables
from segmentation.pictures.drawings import KINDS
from segmentation.pictures.tables import component_tables
from segmentation.report.charts import components_chart
from segmentation.segments.wording import TRAITS_DESCRIBED
from segmentation.settings import LANES
from segmentation.warehouse.database import opened_to_read

#: The file stays below ten megabytes: what is shown is cut in this order.
MAX_PICTURE_BYTES: Final = 6_000_000
MAX_LOOKUP_BYTES: Final = 2_500_000
#: Place of each kind of picture; the last ones are left out if not all of them fit.
_PLACES: Final = {kind.name: place for place, kind in enumerate(KINDS)}
#: Traits on a segment's card, per lane.
MAX_TRAITS: Final = 4

Row = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A picture of the report; `data` is the file as base64.

    Without data, `problem` says why the file cannot be shown; it is empty if there is no room for
    the picture. `width` and `height` are in pixels. `chart` is the same as JSON for the charting
    library, where pointing at it says more.
    """

    name: str
    title: str
    description: str
    path: str
    data: str
    problem: str
    width: int
    height: int
    chart: str = ""


@dataclass(frozen=True)
class Section:
    """A category, or the external lane, with all that belongs to it."""

    scope: str
    anchor: str
    model: Row
    pictures: list[Picture]
    rules: list[Row]
    segments: list[Row] = field(default_factory=list)
    min_segment_size: int = 0
    moves: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Contents:
    """Everything the template reads."""

    facts: Row
    overview: list[Picture]
    categories: list[Section]
    external: Section | None
    segments: list[Row]
    models: list[Row]
    settings: list[Row]
    versions: list[Row]
    reconciliation: list[Row]
    dropped: list[Row]
    drifted: list[Row]
    changes: list[Row]
    has_pictures: bool
    failed_pictures: list[Row]
    lookup: str
    lookup_note: str


def read_contents(database: Path) -> Contents:
    """Read a built database, which is not changed.

    Raises
    ------
    DatabaseError
        If the file cannot be read, or has no complete build in it.
    """
    with opened_to_read(database) as connection:
        return _read(connection)


def _read(connection: duckdb.DuckDBPyConnection) -> Contents:
    def rows(sql: str, *parameters: object) -> list[Row]:
        result = connection.execute(sql, list(parameters))
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    segments = rows(_SEGMENTS)
    traits = rows("select * from segments.segment_traits where place <= ? order by all", MAX_TRAITS)
    for segment in segments:
        for lane in ("internal", "external"):
            segment[f"{lane}_traits"] = [
                trait
                for trait in traits
                if (trait["category"], trait["segment_id"], trait["lane"])
                == (segment["category"], segment["segment_id"], lane)
                and trait["place"] > TRAITS_DESCRIBED
            ]
    models = rows(_MODELS)
    rules = rows("select * from segments.segment_rules order by lane, scope, rule")
    moves = rows("select * from segments.segment_moves order by category, step, into_cell")
    pictures = rows(
        "select * from segments.segment_plots where format = 'png' order by kind, scope"
    )
    changes = rows(_CHANGES)
    embedded = _embedded(pictures)
    charted = _chart_tables(connection)

    def section(lane: str, scope: str) -> Section:
        own = [
            picture
            for picture in pictures
            if picture["status"] == "drawn"
            and (picture["lane"], picture["scope"])
            in {(lane, scope), ("merged", scope if lane == "internal" else "")}
        ]
        (model,) = [row for row in models if (row["lane"], row["scope"]) == (lane, scope)] or [{}]
        return Section(
            scope=scope,
            anchor=f"{lane}-{[row['scope'] for row in models].index(scope)}" if model else lane,
            model=model,
            pictures=[
                _picture(
                    picture,
                    embedded,
                    components_chart(
                        scope_tables(charted, [*charted], lane, scope), picture["title"]
                    )
                    if picture["kind"] == "components"
                    else "",
                )
                for picture in sorted(own, key=lambda row: _PLACES[row["kind"]])
            ],
            rules=[row for row in rules if (row["lane"], row["scope"]) == (lane, scope)],
            segments=[row for row in segments if lane == "internal" and row["category"] == scope],
            min_segment_size=max(
                (
                    row["min_segment_size"]
                    for row in changes
                    if lane == "internal" and row["category"] == scope
                ),
                default=0,
            ),
            moves=[row for row in moves if lane == "internal" and row["category"] == scope],
        )

    lookup, lookup_note = _lookup(rows(_STORES))
    return Contents(
        facts=rows(_FACTS)[0],
        overview=[
            _picture(picture, embedded)
            for kind in ("components", "search")
            for picture in pictures
            if picture["name"] == kind and picture["status"] == "drawn"
        ],
        categories=[
            section("internal", category)
            for category in dict.fromkeys(row["category"] for row in segments)
        ],
        external=section("external", "external")
        if any(row["lane"] == "external" for row in models)
        else None,
        segments=segments,
        models=models,
        settings=rows(_SETTINGS),
        versions=rows(_VERSIONS),
        reconciliation=rows(
            "select * from governance.data_reconciliation order by input, outcome, reason"
        ),
        dropped=rows(_DROPPED),
        drifted=rows("select * from governance.drift where has_drifted order by all"),
        changes=changes,
        has_pictures=bool(pictures),
        failed_pictures=[row for row in pictures if row["status"] == "failed"],
        lookup=lookup,
        lookup_note=lookup_note,
    )


def _embedded(pictures: list[Row]) -> dict[str, str]:
    """Files as base64 by the name of the picture, the most useful ones until the room is used."""
    found: dict[str, str] = {}
    used = 0
    by_use = sorted(
        (row for row in pictures if row["status"] == "drawn"),
        key=lambda row: (
            row["scope"] != "all",
            _PLACES[row["kind"]],
            row["name"],
        ),
    )
    for picture in by_use:
        if file_problem(picture["path"], picture["sha256"]):
            continue
        data = base64.b64encode(Path(picture["path"]).read_bytes()).decode()
        if used + len(data) <= MAX_PICTURE_BYTES:
            found[picture["name"]] = data
            used += len(data)
    return found


def _chart_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """Stores on the first two components of every scope, with their segments."""

    def table(name: str) -> pl.DataFrame:
        return connection.sql(f"from {name}").pl()

    tables = component_tables(
        clusters={lane: table(f"lanes.{lane}_clusters") for lane in LANES},
        components={lane: table(f"lanes.{lane}_components") for lane in LANES},
        models=table("governance.current_cluster_models"),
        centroids=table("governance.cluster_centroids"),
        loadings=table("governance.pca_loadings"),
    )
    segments = connection.sql(_SEGMENT_OF_STORES).pl()
    named = tables["components"].join(
        segments, on=["lane", "scope", "store_id"], how="left", maintain_order="left"
    )
    return {**tables, "components": named}


def _picture(row: Row, embedded: dict[str, str], chart: str = "") -> Picture:
    data = embedded.get(row["name"], "")
    width, height = 0, 0
    if data:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            width, height = image.size
    return Picture(
        name=row["name"],
        title=row["title"],
        description=row["description"],
        path=row["path"],
        data=data,
        problem=file_problem(row["path"], row["sha256"]),
        width=width,
        height=height,
        chart=chart,
    )


def _lookup(stores: list[Row]) -> tuple[str, str]:
    """The stores as JSON for the look-up, and what had to be left out."""
    for columns, note in (
        (list(stores[0]) if stores else [], ""),
        (
            ["store_id", "category", "segment", "margin", "flags"],
            "Reasons and peers are left out here to keep the file small; "
            "the table segments.store_explanations has them.",
        ),
    ):
        text = json.dumps(
            {
                "columns": columns,
                "stores": [[row[column] for column in columns] for row in stores],
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        # nothing in the data may end the script element it stands in
        text = text.replace("<", "\\u003c")
        if len(text.encode()) <= MAX_LOOKUP_BYTES:
            return text, note
    return (
        '{"columns":[],"stores":[]}',
        f"{len(stores):,} rows of stores are too many for this file; "
        "the table segments.store_segments has them.",
    )


_FACTS: Final = """
select
    (select count(distinct store_id) from segments.store_segments) as n_stores,
    (select count(distinct store_id) from segments.store_segments where has_external) as n_external,
    (select count(distinct category) from segments.store_segments) as n_categories,
    (select count(*) from segments.segment_summary) as n_segments,
    (select sum(sales_amount) from segments.segment_summary) as sales_amount,
    (select count(*) from governance.rejected_rows) as n_rejected,
    (select count(*) filter (where is_outlier) from segments.store_segments) as n_outliers,
    (select count(*) filter (where is_thin_history) from segments.store_segments) as n_thin,
    (select count(*) from segments.store_segments) as n_rows,
    run_id,
    started_at,
    status,
    git_revision,
    is_clean
from governance.runs
where run_id = (select arg_max(run_id, run_started_at) from segments.segment_changes)
"""

_SEGMENTS: Final = """
select
    summary.*,
    closest.segment_name as closest_segment_name
from segments.segment_summary as summary
left join segments.segment_summary as closest
    on summary.category = closest.category and summary.closest_segment_id = closest.segment_id
order by summary.category, summary.segment_id
"""

_MODELS: Final = """
select *
from governance.model_registry
where is_in_force and (
    lane = 'external' or scope in (select category from segments.store_segments)
)
order by lane, scope
"""

_SETTINGS: Final = """
with settings as (
    select
        lane,
        scope,
        unnest(settings, recursive := true)
    from governance.model_registry
    where is_in_force
)

select
    name,
    value,
    string_agg(distinct lane, ', ' order by lane) as lanes,
    count(*) as n_scopes
from settings
group by name, value
order by name, n_scopes desc, value
"""

_VERSIONS: Final = """
select unnest(versions, recursive := true)
from governance.runs
where run_id = (select arg_max(run_id, run_started_at) from segments.segment_changes)
"""

_DROPPED: Final = """
select
    decisions.lane,
    decisions.scope,
    decisions.feature,
    decisions.reason,
    decisions.partner,
    decisions.statistic,
    decisions.threshold
from governance.feature_decisions as decisions
inner join governance.current_cluster_models as in_force
    on decisions.lane = in_force.lane and decisions.model_id = in_force.model_id
where not decisions.is_kept
order by all
"""

_CHANGES: Final = """
select *
from segments.segment_changes
qualify run_started_at = max(run_started_at) over ()
order by category
"""

_SEGMENT_OF_STORES: Final = """
select
    'internal' as lane,
    category as scope,
    store_id,
    segment_id || '  ' || segment_name as segment
from segments.store_segments
"""

_STORES: Final = """
select
    segments.store_id,
    segments.category,
    segments.segment_id || '  ' || segments.segment_name as segment,
    round(segments.margin, 2) as margin,
    concat_ws(
        ', ',
        if(segments.is_outlier, 'outlier', null),
        if(segments.is_thin_history, 'few sales', null),
        if(segments.was_reassigned, 'moved', null),
        if(segments.has_external, null, 'no external data')
    ) as flags,
    if(
        segments.was_reassigned,
        upper(explanations.segment_reason[1]) || explanations.segment_reason[2:] || '. ',
        ''
    ) || format(
        'Sales: {}. Surroundings: {}.', explanations.internal_reason, explanations.external_reason
    ) as reason,
    array_to_string(list_transform(explanations.peers, lambda p: p.store_id), ', ') as peers
from segments.store_segments as segments
inner join segments.store_explanations as explanations
    on segments.category = explanations.category and segments.store_id = explanations.store_id
order by segments.store_id, segments.category
"""
