"""Segments in the words of planners: traits as phrases and clauses, names, descriptions.

Columns and levels are called by the setting `labels`; without a label, by their own name in plain
words (docs/decisions/0305).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from segmentation.settings import EXTERNAL_SCOPE, Label, Lane, Settings

#: Smallest difference of a trait, in standard deviations: a medium effect (Cohen 1988).
CLEAR_DIFFERENCE: Final = 0.5
#: Half the width of a 95 % interval, in standard errors.
_TWO_SIDED_95: Final = 1.96
#: Longest default name, in characters.
LONGEST_NAME: Final = 60
#: How many internal and external traits make a name, in the order in which they are tried.
_SHAPES: Final = ((2, 1), (3, 1), (2, 2), (3, 2), (1, 2), (1, 1), (2, 0), (1, 0))
#: Traits of each lane in a description.
TRAITS_DESCRIBED: Final = 2

#: Words at the end of a column's name that are its unit, as they are written behind a value.
_UNITS: Final = {
    "usd": "USD",
    "eur": "EUR",
    "gbp": "GBP",
    "km": "km",
    "miles": "miles",
    "minutes": "minutes",
    "years": "years",
    "sqkm": "per sq km",
    "sqm": "sq m",
}
#: Words in a column's name that make a value from 0 to 1 a percentage.
_SHARE_WORDS: Final = frozenset({"share", "rate", "pct", "percent", "percentage", "ratio"})
#: Words at the end of a categorical column's name that say nothing about it.
_CLASS_WORDS: Final = frozenset({"type", "format", "class", "category", "kind", "code"})
#: Currencies that are written in front of an amount.
_SYMBOLS: Final = frozenset("$€£¥")
_PLURAL: Final = re.compile(r"\w{2,}[^aisu\W]s|\w+(?:ies|ees)")

TRAITS_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "segment_id": pl.String(),
        "lane": pl.String(),
        "place": pl.Int64(),
        "feature": pl.String(),
        "phrase": pl.String(),
        "sentence": pl.String(),
        "mean_value": pl.Float64(),
        "overall_mean": pl.Float64(),
        "difference_in_sd": pl.Float64(),
        "effect_size": pl.Float64(),
    }
)
WORDING_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "segment_id": pl.String(),
        "computed_name": pl.String(),
        "sells": pl.String(),
        "stands": pl.String(),
    }
)


@dataclass(frozen=True)
class Trait:
    """A feature that sets a segment apart.

    Attributes
    ----------
    lane, feature
        Where the feature comes from, and its name in the feature table.
    column
        The column or need state in the words of the input.
    level
        The level of a categorical column; None for a number or a need state.
    mean, overall
        Mean of the segment and of all stores of the category.
    is_high
        Whether the segment is above the category.
    """

    lane: Lane
    feature: str
    column: str
    level: str | None
    mean: float
    overall: float
    is_high: bool


def percent(share: float) -> str:
    """A share of 0 to 1 as per cent, with a decimal below ten."""
    return f"{100 * share:.1f} %" if abs(share) < 0.0995 else f"{100 * share:.0f} %"  # noqa: PLR2004


def number(value: float) -> str:
    """A number with as many digits as people read."""
    size = abs(value)
    for limit, pattern in ((100, ",.0f"), (10, ".1f"), (1, ".2f")):
        if size >= limit:
            return format(value, pattern)
    return format(value, ".3g")


def amount(value: float, unit: str | None) -> str:
    """A number with its unit; signs of currencies come first."""
    if unit and unit[0] in _SYMBOLS:
        return f"{unit}{number(value)}"
    return f"{number(value)} {unit}" if unit else number(value)


def phrase(trait: Trait, labels: Mapping[str, Label]) -> str:
    """A trait in a few words, as in a name: `Sensitive`, `Newborn-light`, `high median income`."""
    label = labels.get(trait.feature, Label())
    given = label.high if trait.is_high else label.low
    if given:
        return given
    if trait.lane == "internal":
        name = label.label or trait.column
        light = f"light on {name}" if " " in name else f"{name}-light"
        return name if trait.is_high else light
    if trait.level is not None:
        level, column = _level(trait, labels)
        name, opposite = label.label or f"{level} ({column})", "few" if label.label else "not"
        return name if trait.is_high else f"{opposite} {name}"
    name, _, is_share = _measurement(trait, label)
    if _is_plural(name):
        return f"{'many' if trait.is_high else 'few'} {name}"
    share_of = "share of " if is_share and not name.endswith("rate") else ""
    return f"{'high' if trait.is_high else 'low'} {share_of}{name}"


def clause(trait: Trait, labels: Mapping[str, Label]) -> str:
    """A trait with its figures: `more Sensitive (31 % of sales against 22 %)`."""
    label = labels.get(trait.feature, Label())
    if trait.lane == "internal":
        figures = f"{percent(trait.mean)} of sales against {percent(trait.overall)}"
        return f"{'more' if trait.is_high else 'less'} {label.label or trait.column} ({figures})"
    if trait.level is not None:
        figures = f"{percent(trait.mean)} of stores against {percent(trait.overall)}"
        often = "more" if trait.is_high else "less"
        if label.label:
            return f"{label.label} are {often} common ({figures})"
        level, column = _level(trait, labels)
        return f"the {column} is {often} often {level} ({figures})"
    name, unit, is_share = _measurement(trait, label)
    if is_share:
        figures = f"{percent(trait.mean)} against {percent(trait.overall)}"
    else:
        overall = number(trait.overall) if unit and unit[0] not in _SYMBOLS else None
        figures = f"{amount(trait.mean, unit)} against {overall or amount(trait.overall, unit)}"
    if _is_plural(name) and not is_share:
        return f"there are {'more' if trait.is_high else 'fewer'} {name} ({figures})"
    share_of = "the share of " if is_share and not name.endswith("rate") else ""
    return f"{share_of}{name} is {'higher' if trait.is_high else 'lower'} ({figures})"


def sells_sentence(clauses: Sequence[str]) -> str:
    """The sales mix in one sentence, from clauses that begin with `more` or `less`."""
    if not clauses:
        return "Their sales mix is close to the average."
    parts: list[str] = []
    for word in ("more", "less"):
        own = [text.removeprefix(f"{word} ") for text in clauses if text.startswith(f"{word} ")]
        if own and not parts:  # the first comparison says what the second figure is
            own[0] = f"{own[0].removesuffix(')')} on average)"
        if own:
            parts.append(f"{word} {_listed(own)}")
    return f"They sell {' and '.join(parts)}."


def stands_sentence(clauses: Sequence[str]) -> str | None:
    """The surroundings in one sentence; None where nothing stands out."""
    if not clauses:
        return None
    text = _listed(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _listed(items: Sequence[str]) -> str:
    """Items as people list them: `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _level(trait: Trait, labels: Mapping[str, Label]) -> tuple[str, str]:
    """A level without a label of its own, and the column it belongs to."""
    column = labels.get(trait.feature.partition(" = ")[0], Label()).label
    return (trait.level or "").replace("_", " "), column or _plain(trait.column)


def _without_capital(column: str) -> str:
    """A column's name as it is written inside a sentence: `Median age` is `median age`."""
    first = column.partition(" ")[0]
    return first.lower() + column[len(first) :] if first.istitle() else column


def _plain(column: str) -> str:
    """A categorical column without the word for its being one: `area type` is the area."""
    words = column.split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] in _CLASS_WORDS else words)


def _measurement(trait: Trait, label: Label) -> tuple[str, str | None, bool]:
    """Name and unit of a numeric column, and whether it is a share of 0 to 1."""
    words = trait.column.split()
    is_share = label.unit == "%" or (
        label.unit is None
        and bool(_SHARE_WORDS & set(words))
        and max(abs(trait.mean), abs(trait.overall)) <= 1
    )
    unit = label.unit
    if len(words) > 1 and words[-1] in _UNITS:
        last = words.pop()
        unit = unit or _UNITS[last]
        if words[-1] == "per":
            words.pop()
        if last == "minutes" and "time" not in words:
            words.append("time")
    if is_share:
        words = [word for word in words if word not in _SHARE_WORDS - {"rate"}] or words
    return label.label or " ".join(words), None if is_share else unit, is_share


def _is_plural(name: str) -> bool:
    """Whether a name counts something: one of its first two words is a plural."""
    return any(_PLURAL.fullmatch(word) for word in name.split()[:2])


def default_names(
    traits: Mapping[str, tuple[Sequence[str], Sequence[str]]], average: str = "average mix"
) -> dict[str, str]:
    """Names of the segments of one category: unique, and at most 60 characters long.

    A name joins the two strongest internal traits and the strongest external one. Where two
    segments would have the same name, both get more traits, and if that does not help their id.
    Where a name would be too long, weaker traits are left out.

    Parameters
    ----------
    traits
        Phrases of the internal and the external lane per segment, strongest first.
    average
        What a segment without internal traits is called.

    Returns
    -------
    dict
        Name of each segment.
    """
    if len(traits) == 1:
        return dict.fromkeys(traits, "All stores")
    variants = {
        segment: list(
            dict.fromkeys(
                name
                for shape in _SHAPES
                if len(name := _joined(*lanes, *shape, average)) <= LONGEST_NAME
            )
        )
        for segment, lanes in traits.items()
    }
    chosen = dict.fromkeys(traits, 0)
    while True:
        names = {segment: variants[segment][place] for segment, place in chosen.items()}
        counts = Counter(names.values())
        stuck = [
            segment
            for segment, name in names.items()
            if counts[name] > 1 and chosen[segment] + 1 < len(variants[segment])
        ]
        if not stuck:
            break
        for segment in stuck:
            chosen[segment] += 1
    return {
        segment: name if counts[name] == 1 else _with_id(variants[segment][0], segment)
        for segment, name in names.items()
    }


def _joined(internal: Sequence[str], external: Sequence[str], n: int, m: int, average: str) -> str:
    """The strongest phrases of both lanes, beginning with a capital letter."""
    own = [
        text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…" for text in internal
    ]
    sides = [", ".join(own[:n]) or average, ", ".join(external[:m])]
    text = " · ".join(side for side in sides if side)
    return text[0].upper() + text[1:]


def _with_id(name: str, segment: str) -> str:
    """A name that others have too, with the id behind it."""
    ending = f" ({segment})"
    return name[: LONGEST_NAME - len(ending)].rstrip() + ending


def segment_traits(
    profiles: pl.DataFrame,
    scope_features: pl.DataFrame,
    in_force: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """What sets each segment apart, strongest first.

    Only features that a model with at least two clusters uses, and only differences of at least
    half a standard deviation whose 95 % interval does not contain 0. The standard error is that of
    the mean of a random sample of the category, without replacement, of the segment's size.

    Parameters
    ----------
    profiles
        `int_segment_profiles`.
    scope_features
        lane, scope, feature, category_column.
    in_force
        `int_current_cluster_models`: lane, scope, k.
    settings
        Gives `labels` and `currency`.

    Returns
    -------
    polars.DataFrame
        Schema `TRAITS_SCHEMA`, one row per category, segment, lane and place, sorted.
    """
    labels = settings.project.labels
    columns = {
        (lane, scope, feature): column
        for lane, scope, feature, column in scope_features.select(
            "lane", "scope", "feature", "category_column"
        ).iter_rows()
    }
    split = scopes_with_clusters(in_force)
    rows: list[tuple[Any, ...]] = []
    places: Counter[tuple[str, str, str]] = Counter()
    clear = profiles.filter(pl.col("is_used"), _is_clear(profiles)).sort(
        "category",
        "segment_id",
        "lane",
        pl.col("difference_in_sd").abs(),
        "feature",
        descending=[False, False, False, True, False],
    )
    for row in clear.iter_rows(named=True):
        scope = row["category"] if row["lane"] == "internal" else EXTERNAL_SCOPE
        if (row["lane"], scope, row["feature"]) not in columns or (row["lane"], scope) not in split:
            continue
        key = (row["category"], row["segment_id"], row["lane"])
        places[key] += 1
        trait = _trait(row, columns[row["lane"], scope, row["feature"]])
        rows.append(
            (
                *key,
                places[key],
                row["feature"],
                phrase(trait, labels),
                clause(trait, labels),
                row["mean_value"],
                row["overall_mean"],
                row["difference_in_sd"],
                row["effect_size"],
            )
        )
    return pl.DataFrame(rows, schema=TRAITS_SCHEMA, orient="row")


def scopes_with_clusters(in_force: pl.DataFrame) -> set[tuple[str, str]]:
    """Lane and scope of every model in force with at least two clusters.

    Parameters
    ----------
    in_force
        `int_current_cluster_models`: lane, scope, k.
    """
    return set(in_force.filter(pl.col("k") > 1).select("lane", "scope").iter_rows())


def _is_clear(profiles: pl.DataFrame) -> pl.Series:
    """Whether each difference is large enough for a trait, and larger than chance explains."""
    n_stores = pl.col("n_stores")
    n_others = pl.col("n_stores").sum().over("category", "lane", "feature") - n_stores
    standard_error = (n_others / (n_stores * (n_stores + n_others - 1).clip(1))).sqrt()
    smallest = pl.max_horizontal(CLEAR_DIFFERENCE, _TWO_SIDED_95 * standard_error)
    return profiles.select(pl.col("difference_in_sd").abs() >= smallest).to_series()


def _trait(row: Mapping[str, Any], category_column: str | None) -> Trait:
    """Trait of a row of the profiles."""
    column, level = str(row["label"]), None
    if row["lane"] == "external":
        if category_column is not None:
            column, _, level = column.partition(" = ")
        column = _without_capital(column.replace("_", " "))
    return Trait(
        lane=row["lane"],
        feature=row["feature"],
        column=column,
        level=level,
        mean=row["mean_value"] or 0.0,
        overall=row["overall_mean"] or 0.0,
        is_high=row["difference_in_sd"] > 0,
    )


def segment_wording(
    segments: pl.DataFrame, traits: pl.DataFrame, in_force: pl.DataFrame
) -> pl.DataFrame:
    """Default name of every segment, and what its description says about both lanes.

    A lane with a single cluster, or with no usable model, is not mentioned: its stores have not
    been told apart.

    Parameters
    ----------
    segments
        category, segment_id.
    traits
        Schema `TRAITS_SCHEMA`.
    in_force
        `int_current_cluster_models`: lane, scope, k.

    Returns
    -------
    polars.DataFrame
        Schema `WORDING_SCHEMA`, one row per category and segment, sorted. `sells` is null where the
        sales mix has no clusters. `stands` is null where the surroundings have none, or are average
        and the sales mix has clusters.
    """
    parts = {
        key: part.sort("place") for key, part in traits.group_by("category", "segment_id", "lane")
    }
    split = scopes_with_clusters(in_force)

    def texts(category: str, segment: str, lane: Lane, column: str) -> list[str]:
        part = parts.get((category, segment, lane))
        return [] if part is None else part[column].to_list()

    rows = []
    for (category,), own in segments.unique().group_by("category"):
        key, ids = str(category), sorted(own["segment_id"])
        has_mixes, has_places = ("internal", key) in split, ("external", EXTERNAL_SCOPE) in split
        lanes: tuple[Lane, Lane] = (
            ("internal", "external") if has_mixes else ("external", "internal")
        )
        average = (
            "average mix"
            if has_mixes
            else "average surroundings"
            if has_places
            else "average stores"
        )
        names = default_names(
            {
                segment: (
                    texts(key, segment, lanes[0], "phrase"),
                    texts(key, segment, lanes[1], "phrase"),
                )
                for segment in ids
            },
            average,
        )
        for segment in ids:
            sells = sells_sentence(texts(key, segment, "internal", "sentence")[:TRAITS_DESCRIBED])
            stands = stands_sentence(texts(key, segment, "external", "sentence")[:TRAITS_DESCRIBED])
            if has_places and not has_mixes:
                stands = stands or "Their surroundings are close to the average."
            rows.append((key, segment, names[segment], sells if has_mixes else None, stands))
    return pl.DataFrame(rows, schema=WORDING_SCHEMA, orient="row").sort("category", "segment_id")
