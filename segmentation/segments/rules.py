"""A few if-then rules that approximate the clusters, in the units of the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.tree import DecisionTreeClassifier

from segmentation.features.vectors import Matrix, external_features, to_matrix
from segmentation.settings import Lane, Settings
from segmentation.warehouse.database import sql_literal

RULES_SCHEMA: Final = pl.Schema(
    {
        "lane": pl.String(),
        "scope": pl.String(),
        "model_id": pl.String(),
        "rule": pl.Int32(),
        "cluster": pl.Int32(),
        "condition": pl.String(),
        "sql": pl.String(),
        "n_stores": pl.Int64(),
        "n_right": pl.Int64(),
        "cluster_stores": pl.Int64(),
        "fidelity": pl.Float64(),
    }
)

#: Deep enough for 16 groups, shallow enough to be said in one breath.
MAX_DEPTH: Final = 4
#: Rules beyond one for each cluster.
SPARE_RULES: Final = 2
#: A rule for a single store says nothing.
MIN_RULE_STORES: Final = 2

#: Rules do not ask what a store sells.
_NO_SALES: Final = pl.DataFrame(schema={"store_id": pl.String(), "sales_amount": pl.Float64()})


@dataclass(frozen=True)
class Feature:
    """A feature as people and queries know it.

    `column` is the column of `features.feature_values` that has its values, `imputed` stands in
    for the missing ones.
    """

    name: str
    label: str
    column: str
    is_level: bool
    imputed: float


@dataclass(frozen=True)
class Rule:
    """Bounds (low, high] per position of a feature, and the cluster they lead to."""

    bounds: Mapping[int, tuple[float, float]]
    cluster: int

    def holds(self, values: Matrix) -> npt.NDArray[np.bool_]:
        """Which rows of stores x features are within all bounds."""
        kept = np.ones(len(values), dtype=bool)
        for position, (low, high) in self.bounds.items():
            kept &= (values[:, position] > low) & (values[:, position] <= high)
        return kept


def tree_rules(values: Matrix, clusters: npt.NDArray[np.int64], seed: int) -> list[Rule]:
    """A shallow classification tree (Breiman et al. 1984) as rules that exclude each other.

    Parameters
    ----------
    values
        Stores x features, without missing values.
    clusters
        Cluster of each store.
    seed
        Of the order in which equally good features are tried.

    Returns
    -------
    list of Rule
        Every store fulfils exactly one of them. Thresholds are the shortest decimal numbers that
        divide the stores in the same way. None where there is a single cluster.
    """
    n_clusters = len(np.unique(clusters))
    if n_clusters < 2:  # noqa: PLR2004 (nothing to tell apart)
        return []
    tree = DecisionTreeClassifier(
        max_depth=MAX_DEPTH,
        max_leaf_nodes=n_clusters + SPARE_RULES,
        min_samples_leaf=MIN_RULE_STORES,
        random_state=seed,
    ).fit(values, clusters)
    return sorted(
        _leaves(tree, values, np.ones(len(values), dtype=bool), {}, 0),
        key=lambda rule: (
            rule.cluster,
            -int(rule.holds(values).sum()),
            sorted(rule.bounds.items()),
        ),
    )


def _leaves(
    tree: DecisionTreeClassifier,
    values: Matrix,
    members: npt.NDArray[np.bool_],
    bounds: dict[int, tuple[float, float]],
    node: int,
) -> list[Rule]:
    """Rules below a node; two branches that lead to the same cluster are one rule."""
    inner = tree.tree_
    left, right = int(inner.children_left[node]), int(inner.children_right[node])
    if left == right:
        return [Rule(bounds, int(tree.classes_[inner.value[node][0].argmax()]))]
    position = int(inner.feature[node])
    # scikit-learn compares in single precision
    goes_left = values[:, position].astype(np.float32) <= inner.threshold[node]
    threshold = short_decimal(
        values[members & goes_left, position].max(), values[members & ~goes_left, position].min()
    )
    low, high = bounds.get(position, (-np.inf, np.inf))
    found = [
        *_leaves(tree, values, members & goes_left, {**bounds, position: (low, threshold)}, left),
        *_leaves(
            tree, values, members & ~goes_left, {**bounds, position: (threshold, high)}, right
        ),
    ]
    if len({rule.cluster for rule in found}) == 1:
        return [Rule(bounds, found[0].cluster)]
    return found


def short_decimal(low: float, high: float) -> float:
    """The shortest decimal number that is at least `low` and below `high`, near their middle."""
    middle = low / 2 + high / 2
    for digits in range(1, 18):
        short = float(f"{middle:.{digits}g}")
        if low <= short < high:
            return short
    return low


def condition(rule: Rule, features: Sequence[Feature]) -> str:
    """The bounds as text: `Organic above 12 % of sales and area type is town`."""
    return " and ".join(
        part
        for position, (low, high) in sorted(rule.bounds.items())
        for part in _in_words(features[position], low, high)
    )


def _in_words(feature: Feature, low: float, high: float) -> Iterator[str]:
    if feature.is_level:
        name, _, level = feature.label.partition(" = ")
        yield f"{name} is {'' if low > -np.inf else 'not '}{level}"
        return

    def said(value: float) -> str:
        share = feature.column == "share"
        return f"{100 * value:.15g} % of sales" if share else f"{value:,.15g}"

    if low > -np.inf and high < np.inf:
        yield f"{feature.label} above {said(low)} up to {said(high)}"
    elif low > -np.inf:
        yield f"{feature.label} above {said(low)}"
    else:
        yield f"{feature.label} up to {said(high)}"


def rule_sql(rule: Rule, features: Sequence[Feature], lane: str, scope: str) -> str:
    """A query of the stores that fulfil a rule, complete as it is."""
    conditions = []
    for position, (low, high) in sorted(rule.bounds.items()):
        feature = features[position]
        value = (
            f"coalesce(max({feature.column}) filter (where feature = {sql_literal(feature.name)}), "
            f"{feature.imputed!r})"
        )
        if low > -np.inf:
            conditions.append(f"{value} > {low!r}")
        if high < np.inf:
            conditions.append(f"{value} <= {high!r}")
    return (
        "select store_id\nfrom features.feature_values\n"
        f"where lane = {sql_literal(lane)} and scope = {sql_literal(scope)}\n"
        "group by store_id\nhaving\n    " + "\n    and ".join(conditions or ["true"])
    )


def cluster_rules(
    clusters: Mapping[Lane, pl.DataFrame],
    shares: pl.DataFrame,
    external_values: pl.DataFrame,
    feature_usage: pl.DataFrame,
    scope_features: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Rules of every scope of both lanes.

    Parameters
    ----------
    clusters
        Per lane scope, store_id, cluster.
    shares
        scope, store_id, shares of the internal lane.
    external_values
        store_id, feature, value in the unit of the inputs.
    feature_usage
        lane, scope, model_id, todays_feature, is_used; what a model misses today makes no rules.
    scope_features
        lane, scope, feature, label, category_column, position (1-based).
    settings
        For the `seed` of each scope.

    Returns
    -------
    polars.DataFrame
        Schema `RULES_SCHEMA`, one row per lane, scope and rule. `n_stores` fulfil the rule,
        `n_right` of them are in its cluster, which has `cluster_stores`; `fidelity` is the share of
        all stores whose rule leads to their cluster. A scope with a single cluster has no rows.
    """
    rows: list[tuple[object, ...]] = []
    used = (
        feature_usage.filter(pl.col("is_used"))
        .select("lane", "scope", "model_id", feature="todays_feature")
        .drop_nulls()
        .unique()
        .join(scope_features, on=["lane", "scope", "feature"])
        .sort("position")
        .partition_by("lane", "scope", as_dict=True)
    )
    vectors: dict[Lane, pl.DataFrame] = {
        "internal": shares.select("scope", "store_id", x="shares"),
        "external": external_features(external_values, scope_features, _NO_SALES),
    }
    for lane, frame in clusters.items():
        stores = frame.join(vectors[lane], on=["scope", "store_id"]).sort("scope", "store_id")
        for (scope,), part in stores.group_by("scope", maintain_order=True):
            described = used.get((lane, scope))
            if described is not None:
                seed = settings.for_scope(lane, str(scope)).seed
                rows.extend(_scope_rules(lane, str(scope), part, described, seed))
    return pl.DataFrame(rows, schema=RULES_SCHEMA, orient="row").sort("lane", "scope", "rule")


def _scope_rules(
    lane: Lane, scope: str, stores: pl.DataFrame, described: pl.DataFrame, seed: int
) -> list[tuple[object, ...]]:
    """Rows of one scope; `stores` has cluster and x, `described` the features in use."""
    values = to_matrix(stores["x"])[:, described["position"].to_numpy() - 1]
    medians = pl.DataFrame(values).fill_nan(None).median().fill_null(0.0).row(0)
    features = [
        Feature(
            name=name,
            label=label.replace("_", " ") if lane == "external" else label,
            column="share" if lane == "internal" else "raw_value",
            is_level=category_column is not None,
            imputed=median,
        )
        for name, label, category_column, median in described.select(
            "feature", "label", "category_column", pl.Series("median", medians)
        ).iter_rows()
    ]
    values = np.where(np.isnan(values), medians, values)[stores["cluster"].is_not_null().to_numpy()]
    clusters = stores["cluster"].drop_nulls().to_numpy().astype(np.int64)
    rules = tree_rules(values, clusters, seed)
    right = [(rule.holds(values) & (clusters == rule.cluster)).sum() for rule in rules]
    return [
        (
            lane,
            scope,
            described["model_id"][0],
            number,
            rule.cluster,
            condition(rule, features) or "always",
            rule_sql(rule, features, lane, scope),
            int(rule.holds(values).sum()),
            int(n_right),
            int((clusters == rule.cluster).sum()),
            float(sum(right) / len(clusters)),
        )
        for number, (rule, n_right) in enumerate(zip(rules, right, strict=True), start=1)
    ]
