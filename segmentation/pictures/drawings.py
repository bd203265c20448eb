"""What each picture shows of one scope: the lanes' clusters, the categories' segments.

Each function draws into a figure or a part of one, from the rows of its scope alone. The tables and
their columns are those of `segmentation.pictures.tables`. `KINDS` says what each picture shows.
"""

from __future__ import annotations

import textwrap
from itertools import combinations
from typing import Final

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.figure import FigureBase
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.isotonic import isotonic_regression

from segmentation.features.vectors import Matrix
from segmentation.pictures.kinds import Kind
from segmentation.pictures.style import (
    DIVERGING,
    FAINT,
    GRID,
    INK,
    PALETTE,
    SEQUENTIAL,
    annotate_cells,
    colour,
    is_light,
    marker,
    plain_axes,
    short,
)
from segmentation.pictures.tables import INDICES, Tables

#: Features of a lane in a heat map and need states of a mix: more cannot be read.
MAX_FEATURES = 8
MAX_STATES = 8
#: Characters of a line of a segment's label.
LABEL_WIDTH = 48
#: Smaller shares are shown as less than one percent.
SMALLEST_SHARE = 0.005
#: Narrower parts of a bar have no room for their share.
LEGIBLE_SHARE = 0.05
#: Height of a label beside the silhouettes, as a share of the height of all bars.
LINE_OF_SILHOUETTES = 0.07
#: Numbers of clusters that have room below an axis of the search.
MAX_TICKS = 12
#: Differences beyond two standard deviations have the strongest colour.
STRONGEST_SD = 2.0
#: Where the scatter has more stores, a seeded sample of them is drawn.
MAX_POINTS = 4000
#: Part of the stores, at either end of an axis, that may lie outside the frame of the scatter.
OUTSIDE_FRAME = 0.005
#: Room of a cluster's number in the smallest scatter, as shares of its width and height.
NUMBER_ROOM = np.array([0.075, 0.1])
#: More rounds of moving numbers apart bring nothing where there is no room for them.
MAX_ROUNDS = 100
#: What may be missing of the full distance between two numbers.
NEARLY = 0.01


def draw_search(figure: FigureBase, tables: Tables) -> None:
    """Each index against the number of clusters, the chosen one marked."""
    search = tables["search"]
    outcome = "" if search["is_chosen"].any() else " (none chosen: one cluster)"
    for axes, (index, label) in zip(
        np.atleast_1d(figure.subplots(1, len(INDICES))), INDICES.items(), strict=True
    ):
        axes.plot(search["k"], search[index], color=FAINT, linewidth=1, zorder=1)
        for k, value, passed, chosen in search.select(
            "k", index, "passed", "is_chosen"
        ).iter_rows():
            if chosen:
                axes.axvline(k, color=colour(1), linewidth=6, alpha=0.35, zorder=0)
            axes.plot(
                [k],
                [value],
                marker="o",
                markersize=9 if chosen else 6,
                color=colour(0),
                markerfacecolor=colour(0) if passed else "white",
                zorder=2,
            )
        axes.set_title(label, fontsize=9, fontweight="normal")
        axes.set_xlabel(f"clusters{outcome}")
        axes.set_xticks(search["k"].to_list()[:: -(-search.height // MAX_TICKS)])
        axes.grid(axis="y")
        axes.margins(y=0.15)


def draw_silhouettes(figure: FigureBase, tables: Tables) -> None:
    """A bar per store, sorted within its cluster (Rousseeuw 1987)."""
    stores = tables["silhouettes"]
    axes = figure.subplots()
    bottom = 0
    gap = max(2, stores.height // 60)
    middles: list[float] = []
    names = []
    for position, (label, part) in enumerate(_groups(stores, "label")):
        values = np.sort(part["silhouette"].to_numpy())
        axes.fill_betweenx(
            np.arange(bottom, bottom + len(values)), 0, values, color=colour(position), linewidth=0
        )
        middles.append(bottom + len(values) / 2)
        names.append(f"{label}: {len(values):,} stores")
        bottom += len(values) + gap
    mean = float(stores["silhouette"].mean())  # type: ignore[arg-type]
    axes.axvline(mean, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(mean, bottom, f" mean {mean:.2f}", fontsize=8.5, va="bottom")
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_yticks(_apart(middles, LINE_OF_SILHOUETTES * bottom), names, fontsize=9)
    axes.set_ylabel("cluster")
    axes.set_xlabel("silhouette")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _apart(places: list[float], distance: float) -> Matrix:
    """Places at least a distance apart, each as near as possible to the given one, in order."""
    steps = distance * np.arange(len(places))
    apart: Matrix = isotonic_regression(np.array(places) - steps) + steps
    return apart


def draw_components(figure: FigureBase, tables: Tables) -> None:
    """Stores on the first two components, with centroids and outliers."""
    stores = tables["components"]
    axes = figure.subplots()
    low, high = frame(stores)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    clusters = stores["cluster"].unique().sort().to_list()
    inside = pl.col("first").is_between(low[0], high[0]) & pl.col("second").is_between(
        low[1], high[1]
    )
    n_outside = stores.filter(~inside).height
    left_out = pl.col("is_outlier") | pl.col("is_thin_history")
    stores = shown_stores(stores.filter(inside))
    for position, cluster in enumerate(clusters):
        for part, look in (
            (
                stores.filter(~left_out, cluster=cluster),
                {"s": 14, "color": colour(position), "alpha": 0.7, "linewidths": 0},
            ),
            (
                stores.filter(left_out, cluster=cluster),
                {"s": 18, "facecolors": "none", "edgecolors": colour(position), "linewidths": 0.9},
            ),
        ):
            if part.is_empty():  # of no dots Matplotlib draws one, in the corner of the picture
                continue
            # a dot on the edge of the frame is a whole dot
            axes.scatter(
                part["first"], part["second"], marker=marker(position), clip_on=False, **look
            )
    centroids = tables["centroids"]
    centers = centroids.select("first", "second").to_numpy()
    for cluster, center, place in zip(
        centroids["cluster"], centers, numbers_apart(centers, low, high), strict=True
    ):
        axes.plot(*zip(center, place, strict=True), color=INK, linewidth=1, zorder=3)
        axes.text(
            *place,
            str(cluster),
            ha="center",
            va="center",
            fontsize=10,
            fontweight="bold",
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": INK},
        )
    if n_outside:
        axes.text(
            1,
            1,
            f"{n_outside} {'store lies' if n_outside == 1 else 'stores lie'} farther out",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=8,
            color=FAINT,
        )
    across, up = axis_titles(tables["variance"])
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def frame(stores: pl.DataFrame) -> tuple[Matrix, Matrix]:
    """Lower and upper end of both axes: a store far out must not squeeze the others."""
    places = stores.select("first", "second").to_numpy()
    low, high = np.quantile(places, [OUTSIDE_FRAME, 1 - OUTSIDE_FRAME], axis=0)
    room: Matrix = np.where(high > low, 0.15 * (high - low), 1.0)
    return low - room, high + room


def numbers_apart(centers: Matrix, low: Matrix, high: Matrix) -> Matrix:
    """Places for the numbers of the clusters, near their centroids and not on each other.

    Parameters
    ----------
    centers
        Clusters x 2.
    low, high
        Ends of both axes; they are equal where all stores have the same place.

    Returns
    -------
    Matrix
        Clusters x 2; those that nothing is near stay on their centroid.
    """
    room = np.where(high > low, NUMBER_ROOM * (high - low), 1.0)
    places: Matrix = centers / room
    for _ in range(MAX_ROUNDS):
        close = [
            pair
            for pair in combinations(range(len(places)), 2)
            if np.hypot(*(places[pair[1]] - places[pair[0]])) < 1 - NEARLY
        ]
        for one, other in close:
            way = places[other] - places[one]
            distance = float(np.hypot(*way))
            direction = way / distance if distance > 0 else np.array([1.0, 0.0])
            shift = direction * max(1 - distance, 0) / 2
            places[one] -= shift
            places[other] += shift
        if not close:
            break
    apart: Matrix = places * room
    return apart


def shown_stores(stores: pl.DataFrame) -> pl.DataFrame:
    """All stores, or a seeded sample where there are too many to distinguish."""
    if stores.height <= MAX_POINTS:
        return stores
    return stores.sample(MAX_POINTS, seed=0).sort("store_id")


def axis_titles(variance: pl.DataFrame) -> tuple[str, str]:
    """What to call the first two components; the second is empty where there is only one."""
    shares = variance["share"].to_list()
    return (
        f"component 1 ({shares[0]:.0%} of variance)",
        f"component 2 ({shares[1]:.0%})" if len(shares) > 1 else "",
    )


def draw_variance(figure: FigureBase, tables: Tables) -> None:
    """Share of variance that each component explains, and their sum."""
    components = tables["variance"]
    axes = figure.subplots()
    numbers, shares = components["component"].to_numpy(), components["share"].to_numpy()
    axes.bar(numbers, shares, color=colour(4), width=0.7)
    axes.plot(numbers, shares.cumsum(), color=colour(0), marker="o", markersize=5)
    axes.annotate(
        f"{shares.sum():.0%}",
        (numbers[-1], shares.sum()),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=9,
    )
    axes.set_xlabel("component")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    axes.set_xlim(0.4, components.height + 0.6)
    axes.set_ylim(0, 1.15)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("share of variance")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def draw_profiles(figure: FigureBase, tables: Tables) -> None:
    """Segments against the features that separate them, in standard deviations."""
    profiles = tables["profiles"]
    features = (
        profiles.group_by("feature_lane", "feature")
        .agg(pl.col("label").first(), pl.col("effect_size").first())
        .sort("feature_lane", "effect_size", "feature", descending=[True, True, False])
        .group_by("feature_lane", maintain_order=True)
        .head(MAX_FEATURES)
    )
    segments = profiles["segment_id"].unique().sort().to_list()
    found = {
        (lane, feature, segment): value
        for lane, feature, segment, value in profiles.filter(pl.col("n_stores") > 0)
        .select("feature_lane", "feature", "segment_id", "difference_in_sd")
        .iter_rows()
    }
    values = np.array(
        [
            [found.get((lane, feature, segment), np.nan) for segment in segments]
            for lane, feature in features.select("feature_lane", "feature").iter_rows()
        ]
    )
    colours = mpl.colormaps[DIVERGING]
    scaled = np.clip((values / STRONGEST_SD + 1) / 2, 0, 1)
    axes = figure.subplots()
    axes.imshow(scaled, cmap=colours, vmin=0, vmax=1, aspect="auto")
    annotate_cells(
        axes,
        scaled.tolist(),
        [["n/a" if np.isnan(v) else f"{round(v, 1) + 0.0:+.1f}" for v in row] for row in values],
        colours,
    )
    axes.set_xticks(range(len(segments)), segments)
    axes.set_xlabel("segment")
    labels = [
        short(label.replace("_", " ") if lane == "external" else label, 40)
        for lane, label in features.select("feature_lane", "label").iter_rows()
    ]
    axes.set_yticks(range(len(labels)), labels)
    n_internal = features.filter(pl.col("feature_lane") == "internal").height
    if 0 < n_internal < features.height:
        axes.axhline(n_internal - 0.5, color="white", linewidth=4)
    plain_axes(axes)


def draw_sizes(figure: FigureBase, tables: Tables) -> None:
    """Share of stores and share of sales of each segment."""
    segments = tables["segments"]
    axes = figure.subplots()
    places = np.arange(segments.height)[::-1]
    for offset, column, position, label in (
        (0.2, "share_of_stores", 0, "of the stores"),
        (-0.2, "share_of_sales", 1, "of the sales"),
    ):
        if segments[column].is_null().all():  # segments of the external lane alone have no sales
            continue
        shares = segments[column].fill_null(0).to_numpy()
        axes.barh(places + offset, shares, height=0.38, color=colour(position), label=label)
        for place, share in zip(places, shares, strict=True):
            axes.text(share, place + offset, f" {_percent(share)}", va="center", fontsize=8)
    axes.set_yticks(places, _segment_labels(segments), fontsize=8.5)
    axes.set_ylim(-0.6, segments.height - 0.4)
    axes.margins(x=0.08)
    axes.xaxis.set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8.5)
    plain_axes(axes)


def draw_mix(figure: FigureBase, tables: Tables) -> None:
    """What share of a segment's sales each need state has, on average over its stores."""
    mix = tables["mix"]
    sizes = (
        mix.group_by("feature")
        .agg(pl.col("overall_mean").first())
        .sort("overall_mean", "feature", descending=[True, False], nulls_last=True)
    )
    n_shown = MAX_STATES if sizes.height > MAX_STATES + 1 else sizes.height
    shown = sizes["feature"].head(n_shown).to_list()
    segments = tables["segments"]
    ids = segments["segment_id"].to_list()
    places = np.arange(len(ids))[::-1]
    found = {
        (feature, segment): value or 0.0
        for feature, segment, value in mix.select("feature", "segment_id", "mean_value").iter_rows()
    }
    axes = figure.subplots()
    left = np.zeros(len(ids))
    for position, feature in enumerate(shown):
        shares = np.array([found.get((feature, segment), 0.0) for segment in ids])
        axes.barh(
            places,
            shares,
            left=left,
            height=0.72,
            color=colour(position),
            hatch="//" if position >= len(PALETTE) else None,
            edgecolor="white",
            linewidth=0.8,
            label=short(feature, 24),
        )
        for place, share, start in zip(places, shares, left, strict=True):
            if share >= LEGIBLE_SHARE:
                axes.text(
                    start + share / 2,
                    place,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color=INK if is_light(colour(position)) else "white",
                    in_layout=False,
                )
        left += shares
    if len(shown) < sizes.height:
        axes.barh(
            places,
            1 - left,
            left=left,
            height=0.72,
            color=GRID,
            label=f"{sizes.height - len(shown)} others",
        )
    axes.set_yticks(places, ids)
    axes.set_ylabel("segment")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, labelspacing=0.35)
    plain_axes(axes)


def draw_crosstab(figure: FigureBase, tables: Tables) -> None:
    """Stores per pair of clusters, and the segments that the pairs were merged into."""
    cells = tables["cells"]
    rows = _labels(cells["internal_cluster"])
    columns = _labels(cells["external_cluster"])
    segments = cells["segment_id"].unique().sort().to_list()
    counts = np.zeros((len(rows), len(columns)))
    owners = np.full((len(rows), len(columns)), -1)
    own = np.zeros((len(rows), len(columns)), dtype=bool)
    # the segment of most stores comes last, and stays
    ascending = cells.sort("n_stores", maintain_order=True)
    for internal, external, segment, n_stores, is_own in ascending.select(
        "internal_cluster", "external_cluster", "segment_id", "n_stores", "is_own"
    ).iter_rows():
        place = rows.index(_label(internal)), columns.index(_label(external))
        counts[place] += n_stores
        own[place] = is_own
        owners[place] = segments.index(segment)
    before, after = figure.subplots(1, 2, sharey=True)
    texts = [[f"{int(n)}" if n else "" for n in row] for row in counts]
    scaled = counts / max(counts.max(), 1)
    colours = mpl.colormaps[SEQUENTIAL]
    before.imshow(np.where(counts > 0, scaled, np.nan), cmap=colours, vmin=0, vmax=1, aspect="auto")
    annotate_cells(before, scaled.tolist(), texts, colours)
    before.set_title("stores per pair of clusters", fontsize=9, fontweight="normal")
    for (row, column), owner in np.ndenumerate(owners):
        if owner < 0:
            continue
        after.add_patch(
            Rectangle(
                (column - 0.47, row - 0.47),
                0.94,
                0.94,
                facecolor=colour(int(owner)),
                hatch="//" if owner >= len(PALETTE) else None,
                edgecolor="white",
            )
        )
        after.text(
            column,
            row,
            segments[owner],
            bbox={"facecolor": colour(int(owner)), "edgecolor": "none", "pad": 1.5},
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold" if own[row, column] else "normal",
            color=INK if is_light(colour(int(owner))) else "white",
            in_layout=False,
        )
    after.set_title("segment they belong to", fontsize=9, fontweight="normal")
    for axes in (before, after):
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_xlabel("external cluster")
        plain_axes(axes)
    before.set_yticks(range(len(rows)), rows)
    before.set_ylabel("internal cluster")


def draw_movements(figure: FigureBase, tables: Tables) -> None:
    """Stores from segment to segment between the two latest runs."""
    moves = tables["movements"]
    before = _labels(moves["from_segment_id"])
    after = _labels(moves["to_segment_id"])
    counts = np.zeros((len(before), len(after)))
    for start, end, n_stores in moves.select(
        "from_segment_id", "to_segment_id", "n_stores"
    ).iter_rows():
        counts[before.index(_label(start)), after.index(_label(end))] += n_stores
    colours = mpl.colormaps[SEQUENTIAL]
    scaled = counts / max(counts.max(), 1)
    axes = figure.subplots()
    axes.imshow(np.where(counts > 0, scaled, np.nan), cmap=colours, vmin=0, vmax=1, aspect="auto")
    annotate_cells(
        axes, scaled.tolist(), [[f"{int(n)}" if n else "" for n in row] for row in counts], colours
    )
    axes.set_xticks(range(len(after)), ["gone" if name == NONE else name for name in after])
    axes.set_yticks(range(len(before)), ["new" if name == NONE else name for name in before])
    axes.set_xlabel("segment now")
    axes.set_ylabel("segment before")
    plain_axes(axes)


#: Label of a lane that does not know a store, as in the ids of cells; and of no segment.
NONE = "x"


def _label(value: object) -> str:
    return NONE if value is None else str(value)


def _labels(values: pl.Series) -> list[str]:
    """Distinct labels in order, the missing one last."""
    known = values.drop_nulls().unique().sort().to_list()
    return [str(value) for value in known] + ([NONE] if values.null_count() else [])


def _percent(share: float) -> str:
    """A share in whole percent; a positive share is never shown as 0 %."""
    return "<1%" if 0 < share < SMALLEST_SHARE else f"{share:.0%}"


def _segment_labels(segments: pl.DataFrame) -> list[str]:
    """Id and name, in two lines at most: need states above, surroundings below."""
    labels = []
    for segment, name in segments.select("segment_id", "segment_name").iter_rows():
        label = f"{segment}  {name}"
        first, bar, second = label.partition(" | ")
        if len(label) <= LABEL_WIDTH:
            lines = [label]
        elif bar:
            lines = [short(line, LABEL_WIDTH) for line in (first, second)]
        else:
            lines = textwrap.wrap(label, LABEL_WIDTH, max_lines=2, placeholder=" …")
        labels.append("\n".join(lines))
    return labels


def _groups(frame: pl.DataFrame, column: str) -> list[tuple[str, pl.DataFrame]]:
    return [
        (str(key[0]), part)
        for key, part in sorted(
            frame.partition_by(column, as_dict=True).items(),
            key=lambda group: (len(str(group[0][0])), str(group[0][0])),  # 2 comes before 10
        )
    ]


#: In the order of the report, which drops the last ones first if not all of them fit.
KINDS: Final = (
    Kind(
        "profiles",
        draw_profiles,
        "What sets the segments apart",
        "Mean of each segment compared with all stores of the category, in standard deviations, "
        "for the features that separate the segments most: need states above, surroundings below. "
        "n/a: no store of the segment has a value.",
        ("profiles",),
        "the category has no profiles",
        of_segments=True,
        size=(9, 5.2),
        overview_columns=1,
    ),
    Kind(
        "sizes",
        draw_sizes,
        "How large the segments are",
        "Share of the category's stores and of its sales.",
        ("segments",),
        "the category has no segments",
        of_segments=True,
        size=(9, 4.6),
        overview_columns=1,
        rows=lambda tables: tables["segments"].height,
        row_height=0.38,
    ),
    Kind(
        "mix",
        draw_mix,
        "What the segments sell",
        "Share of each need state in the sales of a store, averaged over the stores of the "
        "segment, for the largest need states of the category.",
        ("mix", "segments"),
        "the category has no need states",
        of_segments=True,
        size=(9, 4.4),
        overview_columns=1,
        rows=lambda tables: tables["segments"].height,
        row_height=0.27,
    ),
    Kind(
        "crosstab",
        draw_crosstab,
        "Both lanes and their segments",
        "Left: stores per internal and external cluster. Right: the segment of most stores of each "
        "pair; bold where the pair is a segment of its own. x: the lane does not know the stores.",
        ("cells",),
        "the category has no segments",
        of_segments=True,
        size=(9, 3.8),
        overview_columns=1,
    ),
    Kind(
        "movements",
        draw_movements,
        "Who moved since the previous run",
        "Stores by their segment in the previous run (rows) and now (columns).",
        ("movements",),
        "no store has moved since the previous run, or there is none",
        of_segments=True,
        size=(8, 4.4),
        overview_columns=1,
        rows=lambda tables: tables["movements"]["from_segment_id"].n_unique(),
        row_height=0.27,
    ),
    Kind(
        "components",
        draw_components,
        "Stores on the first two components",
        "One dot per store in the color of its cluster, with a number at each centroid. Hollow: "
        "the model did not learn from the store (outlier or too few sales) but scored it.",
        ("components", "centroids", "variance"),
        "no store has component scores",
        of_segments=False,
        size=(8, 5.2),
    ),
    Kind(
        "search",
        draw_search,
        "How many clusters",
        "Each index for each number of clusters tried. The band marks the chosen number; a "
        "hollow dot did not pass the gates (smallest cluster, stability).",
        ("search",),
        "no number of clusters was tried",
        of_segments=False,
        size=(9, 2.9),
        overview_columns=1,
    ),
    Kind(
        "silhouettes",
        draw_silhouettes,
        "How well stores fit their clusters",
        "One line per store the model learned from, sorted within its cluster. Near 1: far from "
        "the next cluster; near 0: between two clusters; below 0: nearer to another cluster.",
        ("silhouettes",),
        "the scope has a single cluster",
        of_segments=False,
        size=(8, 4.6),
        rows=lambda tables: tables["silhouettes"]["label"].n_unique(),
        row_height=0.3,
    ),
    Kind(
        "variance",
        draw_variance,
        "What the components explain",
        "Share of the variance that each component explains, and the running total.",
        ("variance",),
        "the model has no components",
        of_segments=False,
        size=(8, 3.2),
    ),
)
