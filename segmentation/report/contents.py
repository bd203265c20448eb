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
from segmentation.pictures.style import PALETTE
from segmentation.pictures.tables import component_tables
from segmentation.report.charts import components_chart
from segmentation.report.maps import coordinates, store_map
from segmentation.report.steps import next_steps
from segmentation.report.verdicts import input_verdicts
from segmentation.segments.wording import TRAITS_DESCRIBED, Trait, clause
from segmentation.settings import CURRENCY_OF_RUN, LANES, money_pattern
from segmentation.warehouse.control_characters import visible
from segmentation.warehouse.database import opened_to_read

#: The file stays below ten megabytes: what is shown is cut in this order.
MAX_PICTURE_BYTES: Final = 6_000_000
MAX_LOOKUP_BYTES: Final = 2_500_000
MAX_PROFILE_BYTES: Final = 700_000
#: Pictures of a category that come with its segments; the others are in the appendix.
MAIN_KINDS: Final = ("profiles", "components")
#: Place of each kind of picture; the last ones are left out if not all of them fit.
_PLACES: Final = {kind.name: place for place, kind in enumerate(KINDS)}
#: Traits on a segment's card, per lane.
MAX_TRAITS: Final = 4
#: Candidates per segment to list or to delist that are shown.
MAX_PRODUCTS: Final = 5

Row = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A picture of the report; `data` is the file as base64.

    Without data, `problem` says why the file cannot be shown; it is empty if there is no room for
    the picture. `width` and `height` are in pixels. `chart` is the same as JSON for the charting
    library, where pointing at it says more.
    """

    name: str
    kind: str
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
    more_pictures: list[Picture]
    rules: list[Row]
    segments: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    map: str = ""
    has_groups: bool = False
    min_segment_size: int = 0
    moves: list[Row] = field(default_factory=list)
    validity: list[Row] = field(default_factory=list)
    room: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    ranking: str = ""


@dataclass(frozen=True)
class Contents:
    """Everything the template reads."""

    facts: Row
    steps: list[Row]
    verdicts: list[tuple[str, str]]
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
    moved: list[Row]
    has_pictures: bool
    failed_pictures: list[Row]
    lookup: str
    lookup_note: str
    comparison: str


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
    for number, segment in enumerate(segments):
        place = segment["place_in_category"] - 1
        segment["anchor"] = f"segment-{number}"
        segment["colour"] = place % len(PALETTE)
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
    grouped = {(row["lane"], row["scope"]) for row in models if row["k"] and row["k"] > 1}
    rules = rows("select * from segments.segment_rules order by lane, scope, rule")
    moves = rows("select * from segments.segment_moves order by category, step, into_cell")
    validity = rows(_VALIDITY)
    products = rows(_PRODUCTS, MAX_PRODUCTS)
    rankings = {
        row["category"]: row["explanation"]
        for row in rows("select category, explanation from segments.product_rankings")
    }
    room = rows("select * from segments.segment_room order by category, segment_id nulls last")
    pictures = rows(
        "select * from segments.segment_plots where format = 'png' order by kind, scope"
    )
    changes = rows(_CHANGES)
    embedded = _embedded(pictures)
    charted = _chart_tables(connection)
    places = coordinates(connection)

    def section(lane: str, scope: str) -> Section:
        own = [
            picture
            for picture in pictures
            if picture["status"] == "drawn"
            and (picture["lane"], picture["scope"])
            in {(lane, scope), ("merged", scope if lane == "internal" else "")}
        ]
        (model,) = [row for row in models if (row["lane"], row["scope"]) == (lane, scope)] or [{}]
        shown = [
            _picture(
                picture,
                embedded,
                components_chart(scope_tables(charted, [*charted], lane, scope), picture["title"])
                if picture["kind"] == "components"
                else "",
            )
            for picture in sorted(own, key=lambda row: _PLACES[row["kind"]])
        ]
        own_segments = [row for row in segments if lane == "internal" and row["category"] == scope]
        return Section(
            scope=scope,
            anchor=f"{lane}-{[row['scope'] for row in models].index(scope)}" if model else lane,
            model=model,
            pictures=[picture for picture in shown if picture.kind in MAIN_KINDS],
            more_pictures=[picture for picture in shown if picture.kind not in MAIN_KINDS],
            rules=[row for row in rules if (row["lane"], row["scope"]) == (lane, scope)],
            segments=own_segments,
            groups=_groups(rows(_GROUPS, MAX_TRAITS)) if lane == "external" else [],
            map=store_map(
                places,
                connection.execute(_SEGMENTS_OF_CATEGORY, [scope]).pl(),
                {row["segment_id"]: row["colour"] for row in own_segments},
            ),
            has_groups=(lane, scope) in grouped,
            min_segment_size=max(
                (
                    row["min_segment_size"]
                    for row in changes
                    if lane == "internal" and row["category"] == scope
                ),
                default=0,
            ),
            moves=[row for row in moves if lane == "internal" and row["category"] == scope],
            validity=[row for row in validity if lane == "internal" and row["category"] == scope],
            products=[row for row in products if lane == "internal" and row["category"] == scope],
            ranking=rankings.get(scope, "") if lane == "internal" else "",
            room=[row for row in room if lane == "internal" and row["category"] == scope],
        )

    lookup, lookup_note = _lookup(rows(_STORES))
    facts = rows(_FACTS)[0]
    facts["money"] = money_pattern(facts["currency"])
    facts["n_without_groups"] = 0
    if facts["sales_amount"] is not None:
        categories = {("internal", row["category"]) for row in segments}
        facts["n_without_groups"] = len(categories - grouped)
    return Contents(
        facts=facts,
        steps=next_steps(facts),
        verdicts=[*input_verdicts(connection.cursor())],
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
        moved=rows(_MOVED),
        has_pictures=bool(pictures),
        failed_pictures=[row for row in pictures if row["status"] == "failed"],
        lookup=lookup,
        lookup_note=lookup_note,
        comparison=_comparison(segments, rows(_PROFILES)),
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
        kind=row["kind"],
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
            ["store_id", "category", "segment_id", "second_segment_id", "margin", "flags"],
            "Reasons and peers are left out here to keep the file small; "
            "the table segments.store_explanations has them.",
        ),
    ):
        text = _embeddable(
            {
                "columns": columns,
                "stores": [[row[column] for column in columns] for row in stores],
            }
        )
        if len(text.encode()) <= MAX_LOOKUP_BYTES:
            return text, note
    return (
        '{"columns":[],"stores":[]}',
        f"{len(stores):,} rows of stores are too many for this file; "
        "the table segments.store_segments has them.",
    )


def _comparison(segments: list[Row], profiles: list[Row]) -> str:
    """The segments and their profiles as JSON, to set two of them side by side."""
    profile: dict[tuple[str, str], list[list[Any]]] = {}
    for row in profiles:
        profile.setdefault((row["category"], row["segment_id"]), []).append(
            [row["lane"], row["label"], row["mean_value"], row["difference_in_sd"]]
        )
    columns = (
        "category",
        "segment_id",
        "segment_name",
        "description",
        "n_stores",
        "share_of_sales",
        "sales_per_store",
        "colour",
    )
    text = _embeddable(
        [
            {column: segment[column] for column in columns}
            | {"profile": profile.get((segment["category"], segment["segment_id"]), [])}
            for segment in segments
        ]
    )
    return text if len(text.encode()) <= MAX_PROFILE_BYTES else "[]"


def _groups(rows: list[Row]) -> list[Row]:
    """Clusters of the external lane with their strongest traits as clauses."""
    found: dict[int, Row] = {}
    for row in rows:
        group = found.setdefault(
            row["cluster"], {"cluster": row["cluster"], "n_stores": row["n_stores"], "traits": []}
        )
        column, _, level = row["label"].partition(" = ")
        trait = Trait(
            lane="external",
            feature=row["feature"],
            column=column.replace("_", " "),
            level=level or None,
            mean=row["mean_value"],
            overall=row["overall_mean"],
            is_high=row["deviation"] > 0,
        )
        group["traits"].append(clause(trait, {}))
    return list(found.values())


def _embeddable(value: object) -> str:
    """JSON that nothing in the data can make end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)
    return visible(text).replace("<", "\\u003c")


_FACTS: Final = f"""
select
    (select count(distinct store_id) from segments.store_segments) as n_stores,
    (select count(distinct store_id) from segments.store_segments where has_external) as n_external,
    (select count(distinct category) from segments.store_segments) as n_categories,
    (select count(*) from segments.segment_summary) as n_segments,
    (select sum(sales_amount) from segments.segment_summary) as sales_amount,
    (select count(*) from governance.rejected_rows) as n_rejected,
    (select count(*) filter (where is_outlier) from segments.store_segments) as n_outliers,
    (select count(*) filter (where is_thin_history) from segments.store_segments) as n_thin,
    (
        select count(distinct store_id) from segments.store_segments where is_thin_history
    ) as n_thin_stores,
    (
        select minimum from governance.input_profile
        where input = 'sales' and column_name = 'sold_on'
    ) as sold_from,
    (
        select maximum from governance.input_profile
        where input = 'sales' and column_name = 'sold_on'
    ) as sold_to,
    (select count(*) filter (where was_reassigned) from segments.store_segments) as n_reassigned,
    (select count(*) from segments.store_segments) as n_rows,
    (
        select count(*)
        from segments.segment_names as unnamed
        where
            not is_given
            -- a segment of all stores needs no name
            and exists (
                select 1 from segments.segment_names as other
                where other.category = unnamed.category and other.segment_id <> unnamed.segment_id
            )
    ) as n_unnamed,
    (select count(*) from governance.drift where has_drifted) as n_drifted,
    (
        select sum(n_moved_stores)
        from segments.segment_changes
        where run_started_at = (select max(run_started_at) from segments.segment_changes)
    ) as n_moved,
    run_id,
    started_at,
    status,
    git_revision,
    is_clean,
    {CURRENCY_OF_RUN} as currency
from governance.runs
where run_id = (select arg_max(run_id, run_started_at) from segments.segment_changes)
"""  # noqa: S608 (a constant)

_SEGMENTS: Final = """
select
    summary.*,
    row_number() over (
        partition by summary.category order by summary.segment_id
    ) as place_in_category,
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

_VALIDITY: Final = """
select
    *,
    1.96 * skill_standard_error as margin
from segments.segment_validity
order by category, skill desc nulls last, predictor
"""

_PRODUCTS: Final = """
select *
from segments.segment_products
where advice in ('list', 'delist')
qualify row_number() over (
    partition by category, segment_id, advice order by sales_amount desc, product_id
) <= ?
order by category, segment_id, advice desc, sales_amount desc, product_id
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

_MOVED: Final = """
select
    today.store_id,
    today.category,
    before.segment_id as from_segment_id,
    today.segment_id as to_segment_id
from segments.store_segments as today
inner join segments.store_segments_history as before
    on today.category = before.category and today.store_id = before.store_id
where
    today.segment_id <> before.segment_id
    and before.dbt_valid_from < (select max(run_started_at) from segments.segment_changes)
    and before.dbt_valid_to >= (select max(run_started_at) from segments.segment_changes)
order by all
"""

_SEGMENT_OF_STORES: Final = """
select
    'internal' as lane,
    category as scope,
    store_id,
    segment_id,
    segment_id || '  ' || segment_name as segment,
    dense_rank() over (partition by category order by segment_id) - 1 as segment_place
from segments.store_segments
"""

_SEGMENTS_OF_CATEGORY: Final = """
select store_id, segment_id
from segments.store_segments
where category = ?
order by store_id
"""

_GROUPS: Final = """
with members as (
    select clusters.cluster, cells.feature, cells.label, cells.raw_value
    from lanes.external_clusters as clusters
    inner join features.feature_values as cells
        on clusters.store_id = cells.store_id and cells.lane = 'external'
    where clusters.cluster is not null
),

means as (
    select
        cluster,
        feature,
        any_value(label) as label,
        avg(raw_value) as mean_value,
        sum(sum(raw_value)) over feature / sum(count(raw_value)) over feature as overall_mean
    from members
    group by cluster, feature
    window feature as (partition by feature)
),

sizes as (
    select cluster, count(*) as n_stores
    from lanes.external_clusters
    where cluster is not null
    group by cluster
)

select means.*, sizes.n_stores, centroids.deviation
from means
inner join sizes on means.cluster = sizes.cluster
inner join governance.centroid_features as centroids
    on means.cluster = centroids.cluster and means.feature = centroids.feature
inner join governance.current_cluster_models as in_force
    on centroids.lane = in_force.lane and centroids.model_id = in_force.model_id
where in_force.lane = 'external' and means.mean_value is not null
qualify row_number() over (
    partition by means.cluster order by abs(centroids.deviation) desc, means.feature
) <= ?
order by means.cluster, abs(centroids.deviation) desc, means.feature
"""

_PROFILES: Final = """
select category, segment_id, lane, label, round(mean_value, 4) as mean_value,
    round(difference_in_sd, 2) as difference_in_sd
from segments.segment_profiles
where is_used
order by category, segment_id, lane, feature
"""

_STORES: Final = """
select
    segments.store_id,
    segments.category,
    segments.segment_id,
    segments.second_segment_id,
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
