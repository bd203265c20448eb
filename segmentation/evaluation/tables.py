"""Tables of the build: each function reads what the models hold and goes through the categories."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

import duckdb
import numpy as np
import polars as pl
from sklearn.cluster import KMeans

from segmentation.evaluation.first_half import (
    FirstClusters,
    first_clusters,
    first_half,
    known_before,
)
from segmentation.evaluation.new_stores import (
    CALIBRATION_SCHEMA,
    NEW_MIX_SCHEMA,
    NEW_STORES_SCHEMA,
    History,
    new_stores,
)
from segmentation.evaluation.opportunity import (
    OPPORTUNITY_SCHEMA,
    ROOM_SCHEMA,
    segment_opportunity,
)
from segmentation.evaluation.periods import (
    MIN_GROUP,
    MIN_WEEKS,
    ORIGIN,
    Panel,
    counted,
    halves,
    of_category,
    panel,
    panels,
    seen_in_both,
    too_little,
)
from segmentation.evaluation.products import RANKING_SCHEMA, product_ranking
from segmentation.evaluation.store_groups import (
    GROUP_LOSS_SCHEMA,
    STORE_GROUPS_SCHEMA,
    Plans,
    group_loss,
    merged_steps,
    segment_budget,
    store_groups,
)
from segmentation.evaluation.validity import (
    EXPECTED_SHARE_SCHEMA,
    VALIDITY_SCHEMA,
    Grouping,
    cannot_be_tested,
    expected_share,
    segment_validity,
)
from segmentation.evaluation.value_of_k import VALUE_OF_K_SCHEMA, not_compared, value_of_k
from segmentation.features.vectors import Labels, closure, to_matrix
from segmentation.settings import Settings

#: Columns of the history, and how the groups are called.
_GROUPS_OF_HISTORY: Final = {
    "segment_id": "segments",
    "internal_cluster": "internal clusters",
    "external_cluster": "external clusters",
}
#: Attributes are taken as they are today. If they did change, that favors them, not the segments.
_ALWAYS: Final = dt.date.min
SEGMENT_BUDGET_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "segment_id": pl.String(),
        "joined_segment_id": pl.String(),
        "n_segments": pl.Int64(),
        "n_segments_in_budget": pl.Int64(),
        "misplaced_sales": pl.Float64(),
        "misplaced_sales_in_budget": pl.Float64(),
        "explanation": pl.String(),
    }
)
#: Restarts of K-means for numbers of clusters that no model was fitted with.
_RESTARTS: Final = 3


def validity_table(
    sales: duckdb.DuckDBPyRelation,
    segments: pl.DataFrame,
    attributes: pl.DataFrame,
    history: duckdb.DuckDBPyRelation,
    models: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Test every grouping of every category on the second half of the sales.

    Internal clusters are fitted on the first half. Segments and external clusters use external
    data, which have no date: they are those of the last build before the second half began. Stores
    that were too thin to learn from in the first half are not compared: their mix is mostly chance.

    Parameters
    ----------
    sales
        `int_sales_by_period`.
    segments
        category, store_id of the stores that are segmented today.
    attributes
        store_id, attribute, level: what a retailer could group by without any model.
    history
        `store_segments_history`.
    models
        `first_half_models`.
    settings
        Parsed settings.

    Returns
    -------
    polars.DataFrame
        Schema `VALIDITY_SCHEMA`, sorted.
    """
    frames = [pl.DataFrame(schema=VALIDITY_SCHEMA)]
    rivals = [
        Grouping(str(name), dict(part.select("store_id", "level").iter_rows()), _ALWAYS)
        for (name,), part in sorted(attributes.drop_nulls().group_by("attribute"))
    ]
    for category, whole in panels(sales, _categories(segments), settings.project.period):
        known = first_half(sales, whole, category, settings)
        clusters = first_clusters(known, category, models, settings)
        _, second = halves(whole)
        split_on = second.starts[0] if second.starts else dt.date.max
        groupings = _groupings(clusters, split_on, *known_before(history, category, split_on))
        tested = whole.take(known.learned_from()) if known.learned_from() else whole
        frames.append(segment_validity(tested, category, [*groupings, *rivals]))
    return pl.concat(frames).sort("category", "predictor")


def expected_shares_table(
    sales: duckdb.DuckDBPyRelation, segments: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Mix to expect of every store in every category.

    Parameters
    ----------
    sales
        `int_sales_by_period`.
    segments
        category, store_id of the stores that are segmented today.
    settings
        Parsed settings.

    Returns
    -------
    polars.DataFrame
        Schema `EXPECTED_SHARE_SCHEMA`, sorted; no rows for sales without dates.
    """
    found = [
        expected_share(whole, category)
        for category, whole in panels(sales, _categories(segments), settings.project.period)
    ]
    return pl.concat([pl.DataFrame(schema=EXPECTED_SHARE_SCHEMA), *found])


def room_table(
    sales: duckdb.DuckDBPyRelation, segments: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Room of every store and need state, and its sums.

    Parameters
    ----------
    sales
        `int_sales_by_period`.
    segments
        category, store_id, segment_id.
    settings
        Gives the length of the periods, and the seed of the draws behind the null bound.

    Returns
    -------
    polars.DataFrame
        Columns of `OPPORTUNITY_SCHEMA` and `ROOM_SCHEMA`. Rows without `store_id` are sums: of a
        segment, or without `segment_id` of a category.
    """
    frames = [pl.DataFrame(schema=OPPORTUNITY_SCHEMA), pl.DataFrame(schema=ROOM_SCHEMA)]
    for category, whole in panels(sales, _categories(segments), settings.project.period):
        seed = settings.for_scope("internal", category).seed
        segment_of = _segment_of(segments, category)
        frames.extend(segment_opportunity(whole, category, segment_of, seed))
    return pl.concat(frames, how="diagonal")


def ranking_table(
    sales: duckdb.DuckDBPyRelation,
    products: duckdb.DuckDBPyRelation,
    validity: pl.DataFrame,
    models: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Test in every category whether the products of a cluster keep their order.

    Parameters
    ----------
    sales
        `int_sales_by_period`.
    products
        `int_product_halves`: category, store_id, product_id, first_half, second_half.
    validity
        category, verdict, split_on, explanation of the internal clusters in `segment_validity`.
    models
        `first_half_models`.
    settings
        Parsed settings.

    Returns
    -------
    polars.DataFrame
        Schema `RANKING_SCHEMA`, one row per category, sorted.
    """
    frames = [pl.DataFrame(schema=RANKING_SCHEMA)]
    for category, verdict, split_on, reason in validity.sort("category").iter_rows():
        if verdict == "not possible":
            row = (category, 0, *[None] * 4, verdict, reason)
            frames.append(pl.DataFrame([row], schema=RANKING_SCHEMA, orient="row"))
            continue
        ((_, whole),) = panels(sales, [category], settings.project.period)
        known = first_half(sales, whole, category, settings)
        clusters = first_clusters(known, category, models, settings)
        labels = {store: clusters.labels[store] for store in known.learned_from()}
        amounts = of_category(products, category).pl()
        frames.append(product_ranking(_two_halves(amounts, split_on), category, labels))
    return pl.concat(frames)


def _two_halves(amounts: pl.DataFrame, split_on: dt.date) -> Panel:
    """Sales of products in two periods, as long as the halves have to be at least."""
    first = split_on - dt.timedelta(weeks=MIN_WEEKS)
    starts = {"first_half": first, "second_half": split_on}
    sales = amounts.unpivot(
        list(starts), index=["store_id", "product_id"], value_name="sales_amount"
    ).with_columns(
        period_start=pl.col("variable").replace_strict(starts, return_dtype=pl.Date),
        category=pl.lit(""),
    )
    return panel(sales.rename({"product_id": "need_state"}), "", "day")


def value_table(
    sales: duckdb.DuckDBPyRelation,
    segments: pl.DataFrame,
    models: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Gain and upkeep of each number of clusters, made from the first half of the sales.

    The clusters of the first half's model stand for their own number. For every other number up to
    `max_clusters`, K-means groups the stores on the components of the same model.

    Parameters
    ----------
    sales
        `int_sales_by_period`.
    segments
        category, store_id of the stores that are segmented today.
    models
        `first_half_models`.
    settings
        Gives `cost_per_segment` and `max_clusters`.

    Returns
    -------
    polars.DataFrame
        Schema `VALUE_OF_K_SCHEMA`, sorted; a row with the reason for a category that cannot be
        tested.
    """
    frames = [pl.DataFrame(schema=VALUE_OF_K_SCHEMA)]
    cost = settings.project.cost_per_segment
    for category, whole in panels(sales, _categories(segments), settings.project.period):
        known = first_half(sales, whole, category, settings)
        clusters = first_clusters(known, category, models, settings)
        reason = cannot_be_tested(*halves(whole))
        if reason is None and not clusters.scores.size:
            reason = clusters.problem or "the first half alone has no components to group by"
        if reason is not None:
            frames.append(not_compared(category, reason))
            continue
        tested = whole.take(known.learned_from())
        candidates = _numbers_of_clusters(clusters, tested, category, settings)
        frames.append(value_of_k(tested, category, candidates, cost))
    return pl.concat(frames)


def store_groups_table(
    sales: duckdb.DuckDBPyRelation, segments: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """One grouping of the stores for all categories, and what it costs in each.

    Parameters
    ----------
    sales
        `int_sales_by_need_state`.
    segments
        category, store_id, segment_id.
    settings
        Gives `n_store_groups`; by default as many as the category with the most segments has, and
        at most one for every 8 stores, the least that `validity_table` takes the mean of.

    Returns
    -------
    polars.DataFrame
        Columns of `STORE_GROUPS_SCHEMA` and `GROUP_LOSS_SCHEMA`. Rows with `store_id` are the
        groups, rows with `category` their losses. No rows without sales.
    """
    wholes = dict(_undated_panels(sales, segments, settings))
    totals = {category: float(whole.totals().sum()) for category, whole in wholes.items()}
    known = segments.filter(pl.col("category").is_in([c for c, total in totals.items() if total]))
    empty = [pl.DataFrame(schema=STORE_GROUPS_SCHEMA), pl.DataFrame(schema=GROUP_LOSS_SCHEMA)]
    if known.is_empty():
        return pl.concat(empty, how="diagonal")
    n_segments = known.group_by("category").agg(pl.col("segment_id").n_unique())["segment_id"]
    most = known["store_id"].n_unique() // MIN_GROUP
    by_default = max(1, min(int(n_segments.max()), most))  # type: ignore[arg-type]
    n_groups = settings.project.n_store_groups or by_default
    groups = store_groups(known, totals, n_groups, settings.for_scope("internal", "").seed)
    segment_of = {category: _segment_of(known, category) for category in _categories(known)}
    losses = group_loss({category: wholes[category] for category in segment_of}, segment_of, groups)
    return pl.concat([groups, losses], how="diagonal")


def budget_table(
    sales: duckdb.DuckDBPyRelation,
    dated: duckdb.DuckDBPyRelation,
    segments: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Which segments to join so that all categories together have `max_segments_total`.

    In each category the pair of segments that costs least is joined, again and again; the number
    of segments per category is then chosen so that the misplaced sales are least. Plans are made
    from the first half of the sales and meet the second, as in `validity_table`, so that segments
    whose mix does not last are joined first. The segments themselves are those of today.

    Parameters
    ----------
    sales
        `int_sales_by_need_state`.
    dated
        `int_sales_by_period`.
    segments
        category, store_id, segment_id.
    settings
        Gives `max_segments_total`; every category keeps at least one segment.

    Returns
    -------
    polars.DataFrame
        Schema `SEGMENT_BUDGET_SCHEMA`, sorted; no rows without a budget or without sales. Where two
        halves cannot be compared, plans meet the sales that they are made from, and `explanation`
        says so; it also says if there are more categories than the budget has segments.
    """
    budget = settings.project.max_segments_total
    if budget is None:
        return pl.DataFrame(schema=SEGMENT_BUDGET_SCHEMA)
    known, steps, amounts, tests = {}, {}, {}, {}
    wholes = _undated_panels(sales, segments, settings)
    periods = panels(dated, _categories(segments), settings.project.period)
    for (category, every), (_, over_time) in zip(wholes, periods, strict=True):
        segment_of = _segment_of(segments, category)
        active = zip(every.stores, every.totals().sum(axis=1) > 0, strict=True)
        whole = every.take([store for store, sold in active if sold and store in segment_of])
        if len(whole.stores) < 2:  # noqa: PLR2004
            continue
        names, labels = np.unique(
            [segment_of[store] for store in whole.stores], return_inverse=True
        )
        totals = whole.totals()
        stores, plans, tests[category] = _plans(whole, over_time, segment_of)
        amounts[category] = np.bincount(labels, weights=totals.sum(axis=1))
        _, tested = np.unique([segment_of[store] for store in stores], return_inverse=True)
        steps[category] = merged_steps(plans, tested)
        known[category] = (names, tested)
    losses = {name: [(n, loss) for n, (loss, _) in own.items()] for name, own in steps.items()}
    chosen = segment_budget(losses, max(budget, len(losses)))
    beyond = (
        f"; the budget of {budget} is exceeded, as each of {len(losses)} categories keeps a segment"
        if budget < len(losses)
        else ""
    )
    found = []
    for category, n_chosen, loss in chosen.iter_rows():
        names, labels = known[category]
        joined = steps[category][n_chosen][1]
        groups = [joined[labels == number][0] for number in range(len(names))]
        remain = "remains" if n_chosen == 1 else "remain"
        text = (
            f"{category}: {n_chosen} of {counted(len(names), 'segment')} {remain}; "
            f"{tests[category]}{beyond}"
        )
        for number, name in enumerate(names):
            members = [other for other, group in enumerate(groups) if group == groups[number]]
            largest = max(members, key=lambda other: (amounts[category][other], -other))
            before = steps[category][len(names)][0]
            row = (category, name, names[largest], len(names), n_chosen, before, loss, text)
            found.append(row)
    return pl.DataFrame(found, schema=SEGMENT_BUDGET_SCHEMA, orient="row")


def _plans(
    whole: Panel, over_time: Panel, segment_of: Mapping[str, str]
) -> tuple[tuple[str, ...], Plans, str]:
    """Stores that are planned, their plans, and which sales these are tested with."""
    first, second = halves(over_time)
    reason = too_little(first, second)
    both = set(seen_in_both(first, second)) if reason is None else set()
    stores = [store for store in whole.stores if store in both]
    missing = {segment_of[store] for store in whole.stores} - {segment_of[s] for s in stores}
    if reason is None and missing:
        reason = f"no store of segment {min(missing)} sold in both halves"
    if reason is not None:
        shares = closure(whole.totals())
        plans = Plans(shares, shares, whole.totals().sum(axis=1))
        return whole.stores, plans, f"not tested on later sales, as {reason}"
    plans = Plans(
        closure(first.take(stores).totals()),
        closure(second.take(stores).totals()),
        whole.take(stores).totals().sum(axis=1),
    )
    return tuple(stores), plans, f"tested on sales from {second.starts[0]}"


def new_stores_table(
    sales: duckdb.DuckDBPyRelation,
    segments: pl.DataFrame,
    surroundings: pl.DataFrame,
    stores: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Segment and mix to expect of stores that have external data and no sales.

    Parameters
    ----------
    sales
        `int_sales_by_need_state`.
    segments
        category, store_id, segment_id.
    surroundings
        `feat_external`: store_id, x.
    stores
        `dim_stores`: store_id, has_sales.
    settings
        Gives the seed.

    Returns
    -------
    polars.DataFrame
        Columns of `NEW_STORES_SCHEMA`, `NEW_MIX_SCHEMA` and `CALIBRATION_SCHEMA`. Rows with
        `segment_id` are probabilities, rows with `need_state` the mix; the others say per category
        how well both did for stores of the history. No rows if there is no new store.
    """
    frames = [
        pl.DataFrame(schema=NEW_STORES_SCHEMA),
        pl.DataFrame(schema=NEW_MIX_SCHEMA),
        pl.DataFrame(schema=CALIBRATION_SCHEMA),
    ]
    described = surroundings.sort("store_id")
    x = to_matrix(described["x"])
    row_of = {store: row for row, store in enumerate(described["store_id"])}
    without_sales = stores.filter(~pl.col("has_sales"))["store_id"].sort().to_list()
    names = [store for store in without_sales if store in row_of]
    if not names:
        return pl.concat(frames, how="diagonal")
    new = x[[row_of[name] for name in names]]
    for category, whole in _undated_panels(sales, segments, settings):
        segment_of = _segment_of(segments, category)
        rows = [
            row
            for row, store in enumerate(whole.stores)
            if store in segment_of and store in row_of and whole.amounts[row].sum() > 0
        ]
        known = [whole.stores[row] for row in rows]
        history = History(
            tuple(known),
            x[[row_of[store] for store in known]],
            tuple(segment_of[store] for store in known),
            closure(whole.totals()[rows]),
            whole.need_states,
        )
        seed = settings.for_scope("internal", category).seed
        found = new_stores(history, category, names, new, seed)
        frames += [found.segments, found.mix, found.calibration]
    return pl.concat(frames, how="diagonal")


def _numbers_of_clusters(
    clusters: FirstClusters, whole: Panel, category: str, settings: Settings
) -> dict[int, Labels]:
    """For each number of clusters the cluster of each store of the panel."""
    chosen = settings.for_scope("internal", category)
    row_of = {store: row for row, store in enumerate(clusters.stores)}
    scores = clusters.scores[[row_of[store] for store in whole.stores]]
    most = min(chosen.max_clusters, len(np.unique(scores, axis=0)), len(whole.stores) // MIN_GROUP)
    found, fitted = np.unique(
        [clusters.labels.get(store, "") for store in whole.stores], return_inverse=True
    )
    return {
        k: fitted.astype(np.intp)
        if k == len(found)
        else KMeans(k, n_init=_RESTARTS, random_state=chosen.seed).fit_predict(scores)
        for k in range(2, most + 1)
    }


def _undated_panels(
    sales: duckdb.DuckDBPyRelation, segments: pl.DataFrame, settings: Settings
) -> Iterator[tuple[str, Panel]]:
    """Sales of each category in a single period, so that no dates are needed."""
    whole = sales.select(
        f"store_id, category, need_state, sales_amount, date '{ORIGIN}' as period_start"
    )
    return panels(whole, _categories(segments), settings.project.period)


def _segment_of(segments: pl.DataFrame, category: str) -> dict[str, str]:
    own = segments.filter(pl.col("category") == category)
    return dict(own.select("store_id", "segment_id").iter_rows())


def _categories(segments: pl.DataFrame) -> list[str]:
    return segments["category"].unique().sort().to_list()


def _groupings(
    clusters: FirstClusters, split_on: dt.date, known: pl.DataFrame, known_on: dt.date | None
) -> list[Grouping]:
    """Groups that could have been known before the second half."""
    the_day_before = split_on - dt.timedelta(days=1)
    groupings = []
    for column, name in _GROUPS_OF_HISTORY.items():
        if column == "internal_cluster":
            labels: Mapping[str, str] = clusters.labels
            groupings.append(Grouping(name, labels, the_day_before, clusters.problem))
        elif known_on is None:
            problem = (
                f"no build was made before {split_on}, when the second half began, and external "
                "data without a date may describe it"
            )
            groupings.append(Grouping(name, {}, the_day_before, problem))
        else:
            labels = dict(known.select("store_id", column).drop_nulls().iter_rows())
            groupings.append(Grouping(name, labels, known_on))
    return groupings
